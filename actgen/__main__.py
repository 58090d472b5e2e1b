"""python -m actgen is the command line."""

from .cli import main

main()
