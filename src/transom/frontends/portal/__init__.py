"""The portal: pages with which people enrol, sign in and look after their own account."""
