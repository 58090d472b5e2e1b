"""What `actgen build` wrote: one standalone file an activation and backend. Do not edit."""
