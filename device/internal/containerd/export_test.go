package containerd

var EachBytes = eachBytes
