"""`python -m gradlaws`: the command line."""

import sys

from gradlaws.commands.parser import main

if __name__ == "__main__":
    sys.exit(main())
