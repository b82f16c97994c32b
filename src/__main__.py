"""Run the console command as `python -m ganatomy`."""

from ganatomy.cli import main

if __name__ == "__main__":
    main()
