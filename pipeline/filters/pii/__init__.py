"""Personal data: e-mail addresses, IP addresses, phone numbers and credit-card numbers, replaced by placeholders."""
