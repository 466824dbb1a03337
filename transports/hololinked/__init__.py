"""hololinked's servers, clients, consumers and messages; `transports` re-exports them."""
