"""What is wrong with a data set: findings and numbers, before a week of training."""
