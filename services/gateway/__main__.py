"""`python -m services.gateway`: the gateway as a process."""

from services.gateway.main import main

main()
