"""Run the console command as `python -m ganatomy`."""

from src.cli import main

if __name__ == "__main__":
    main()
