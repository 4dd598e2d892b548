/**
 * What went wrong, in the words of the server.
 */
export const Failure = ({ error }: { readonly error: Error | undefined }) =>
  error === undefined ? null : <p class="error" role="alert">{error.message}</p>
