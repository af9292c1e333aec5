"""`python -m services.sink`: the sink as a process."""

from services.sink.main import main

main()
