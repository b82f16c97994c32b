"""Networks that MONAI lacks, one family a file. Any of them takes 2D and 3D."""
