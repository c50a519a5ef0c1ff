/** metav1.Status: how the API server says that something went wrong. */

const REASONS = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

const MESSAGES = {
  401: 'Unauthorized',
  410: 'The resourceVersion for the provided watch is too old.',
  429: 'too many requests, please try again later',
  500: 'an error on the server has prevented the request from succeeding',
  504: 'Too large resource version',
};

/** An answer that is an error: thrown by handlers. */
export class StatusError extends Error {
  /**
   * @param {number} code HTTP status
   * @param {string} [message]
   * @param {{reason?: string, details?: object, retryAfter?: number}} [more]
   */
  constructor(code, message = MESSAGES[code] ?? `status ${code}`, { reason, details, retryAfter } = {}) {
    super(message);
    this.code = code;
    this.reason = reason ?? REASONS[code] ?? 'Unknown';
    this.details = details;
    this.retryAfter = retryAfter;
  }

  /** @returns {object} the Status, as in JSON */
  get status() {
    const retryAfterSeconds = this.retryAfter;
    const details = this.details ?? (retryAfterSeconds ? {} : undefined);
    return {
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(details && { details: { ...details, ...(retryAfterSeconds && { retryAfterSeconds }) } }),
      code: this.code,
    };
  }
}

export const notFound = (type, name) =>
  new StatusError(404, `${type.plural}${type.group && `.${type.group}`} "${name}" not found`, {
    details: { name, ...(type.group && { group: type.group }), kind: type.plural },
  });

export const tooOld = (version, oldest) => new StatusError(410, `too old resource version: ${version} (${oldest})`);

/** A version that this server has not reached yet (storage.NewTooLargeResourceVersionError). */
export const tooLarge = (version, newest) =>
  new StatusError(504, `Too large resource version: ${version}, current: ${newest}`, {
    details: { causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }] },
    retryAfter: 1,
  });
