/** What the file `oci-layout` of an image layout holds. OCI image spec, image-layout.md. */
export const layoutMarker = '{"imageLayoutVersion":"1.0.0"}';
