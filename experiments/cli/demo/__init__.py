"""`evenhand demo`: a service with three sample experiments and simulated traffic."""
