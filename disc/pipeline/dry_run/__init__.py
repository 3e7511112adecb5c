"""What a run will take: `disc run ... --dry-run`."""
