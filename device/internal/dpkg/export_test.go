package dpkg

// Patience with the scripts of packages.
const Patience = patience
