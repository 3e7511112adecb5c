"""From annotations to shape maps, label weights and recipes for synthetic slides."""
