"""People: how they are invited, enrol, sign in and look after their own account."""
