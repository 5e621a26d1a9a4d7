"""What the bundled transports share: connections, HTTP/1.1, bodies, sleeping, settings. No transport itself."""
