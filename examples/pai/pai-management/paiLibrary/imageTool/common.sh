say() { echo "[$(hostname)] $*"; }
