#!/bin/bash
# Stands for the vendor's download page: writes small installers of the vendor's forms into packages/, for both processors.
# Each .run holds its files behind a script that checks them before it installs them.
#   bash make_packages.sh [CANN_VERSION]
set -euo pipefail

version=${1:-8.0.0}
cd "$(dirname "$0")"
mkdir -p packages
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# make_run FILE NAME: packs $work/payload, which goes to /usr/local/Ascend/NAME/<version>.
make_run() {
    tar -C "$work/payload" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/payload.tar" .
    cat > "$1" <<EOF
#!/bin/sh
# Usage: $(basename "$1") --check | --install [--quiet]
set -e
sum=$(sha256sum < "$work/payload.tar" | cut -d' ' -f1)
payload() { sed '1,/^__PAYLOAD__\$/d' "\$0"; }
if [ "\$(payload | sha256sum | cut -d' ' -f1)" != "\$sum" ]; then
    echo "\$0: the package is damaged" >&2
    exit 1
fi
[ "\$1" = --install ] || exit 0
home=/usr/local/Ascend/$2
mkdir -p "\$home/$version"
payload | tar -C "\$home/$version" -xf -
ln -sfn $version "\$home/latest"
[ "\$2" = --quiet ] || echo "$2 $version is installed in \$home"
exit 0
__PAYLOAD__
EOF
    cat "$work/payload.tar" >> "$1"
    chmod 755 "$1"
    rm -rf "$work/payload"
}

for arch in x86_64 aarch64; do
    mkdir -p "$work/payload/bin"
    cat > "$work/payload/bin/npu-info" <<EOF
#!/bin/sh
echo "CANN $version for $arch, kernels for \$(cat /usr/local/Ascend/kernels/latest/device)"
EOF
    chmod 755 "$work/payload/bin/npu-info"
    make_run "packages/Ascend-cann-toolkit_${version}_linux-$arch.run" ascend-toolkit

    mkdir -p "$work/payload"
    echo 910b > "$work/payload/device"
    make_run "packages/Ascend-cann-kernels-910b_${version}_linux-$arch.run" kernels

    cat > "packages/Miniconda3-latest-Linux-$arch.sh" <<EOF
#!/bin/bash
# Usage: Miniconda3-latest-Linux-$arch.sh -b -p PREFIX
set -e
mkdir -p "\$3/bin"
printf '#!/bin/sh\necho conda for $arch\n' > "\$3/bin/conda"
chmod 755 "\$3/bin/conda"
EOF
done

cat > packages/install_cann.sh <<'EOF'
#!/bin/bash
# With set -e a package that cannot be installed fails the stage.
set -e
chmod +x ./*.run
yes | ./Ascend-cann-toolkit_*_linux-*.run --install --quiet
yes | ./Ascend-cann-kernels-*_linux-*.run --install --quiet
EOF
ls packages
