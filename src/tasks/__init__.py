"""The tasks: what is generated, what the discriminator compares, which losses and scores belong to it."""
