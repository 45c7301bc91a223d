"""Where computing happens: threads, workers, devices, processes that average their gradients."""
