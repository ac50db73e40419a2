"""What we really do: accounts, deployments, orders, halts."""
