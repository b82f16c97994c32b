"""Networks that MONAI lacks, one family per file; most work in 2D and 3D."""
