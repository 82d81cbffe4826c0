"""Other task queues doing the same work as our worker. These run in an environment of their own, without ours."""
