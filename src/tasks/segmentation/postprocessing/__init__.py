"""Label maps put in order after the network: holes, largest component, small components."""
