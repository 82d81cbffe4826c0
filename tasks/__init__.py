"""What can be asked of the warehouse's vendors, and the durable record of it."""
