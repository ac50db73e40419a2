"""The strategies that come with the lab, one module each."""
