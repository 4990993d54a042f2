"""What bench/run is made of: servers, loads, measurements and the report."""
