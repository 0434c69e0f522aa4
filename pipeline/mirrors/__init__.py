"""How mirrors are asked: transports, retries, a budget for each host, downloads that are whole or not there."""
