"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.ToxiproxyError = void 0;
class ToxiproxyError extends Error {
    constructor(name, message, stack) {
        super(message);
        this.name = name;
        if (stack !== undefined) {
            this.stack = stack;
        }
    }
}
exports.ToxiproxyError = ToxiproxyError;
