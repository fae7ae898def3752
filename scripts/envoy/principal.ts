/**
 * Filter state that says who the caller is, written by the listener that ends its mTLS. Envoy writes all URI names of the certificate,
 * with a comma between them: of several, which SPIFFE does not allow, the filter makes no caller.
 */

/**
 * The network filter that writes it, which stands in front of the connection manager. Needs Envoy 1.37.
 * @param key that of `trust.filterState`
 */
export function principalFilter(key: string): Record<string, unknown> {
  return {
    name: "sallyport-principal",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config",
      on_downstream_tls_handshake: [
        {
          object_key: key,
          factory_key: "envoy.hashable_string",
          read_only: true,
          skip_if_empty: true,
          format_string: {
            omit_empty_values: true,
            text_format_source: { inline_string: "%DOWNSTREAM_PEER_URI_SAN%" },
          },
        },
      ],
    },
  };
}
