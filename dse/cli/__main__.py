"""What does `python -m axdse.dse.cli` do? What `axdse` does."""

from axdse.dse.cli import main

if __name__ == "__main__":
    main()
