"""Records of the account by their keys: how items differ from them, and what they held before."""
