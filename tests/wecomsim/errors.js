/** WeCom's own error codes (developer.work.weixin.qq.com, "global error codes"): those that Nightjar can meet. */

const MESSAGES = {
  40001: 'invalid credential',
  40007: 'invalid media_id',
  40008: 'invalid message type',
  40013: 'invalid corpid',
  40014: 'invalid access_token',
  40035: 'invalid parameter',
  40056: 'invalid agentid',
  40058: 'invalid Request Parameter',
  41001: 'access_token missing',
  41005: 'media data missing',
  42001: 'access_token expired',
  44001: 'empty media data',
  44004: 'text content is empty',
  45001: 'media size out of limit',
  45002: 'content size out of limit',
  45009: 'api freq out of limit',
  45033: 'api concurrent out of limit',
  47001: 'data format error',
  60020: 'not allow to access from your ip',
  81013: 'user & party & tag all invalid',
  82001: 'All touser & toparty & totag are empty',
  93000: 'invalid webhook url',
  93004: 'robot already been removed',
  93008: 'not in the group chat',
};

/** A refusal: HTTP 200 with this errcode. */
export class WecomError extends Error {
  constructor(errcode, detail = '') {
    const text = MESSAGES[errcode] ?? 'system error';
    super(`${text}${detail && `, ${detail}`}, more info at https://open.work.weixin.qq.com/devtool/query?e=${errcode}`);
    this.errcode = errcode;
  }

  get answer() {
    return { errcode: this.errcode, errmsg: this.message };
  }
}
