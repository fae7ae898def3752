/** What says who a caller is, by Envoy's names for it. */

/** The filter state in which Istio's waypoints, and whoever follows them, pass on whom an outer listener's mTLS has shown. */
export const usual_filter_state = "io.istio.peer_principal";

/** The attribute of Envoy that has the caller's SPIFFE ID, by the segments of its path; undefined where no attribute has. */
export function identityAttribute({
  identity,
  filterState,
}: {
  identity: string;
  filterState?: string | undefined;
}): readonly string[] | undefined {
  if (identity === "jwt-svid") return undefined;
  return filterState === undefined ? certificate_attribute : ["filter_state", filterState];
}

/** The first URI among the subject alternative names of the connection's client certificate. */
export const certificate_attribute: readonly string[] = ["connection", "uri_san_peer_certificate"];
