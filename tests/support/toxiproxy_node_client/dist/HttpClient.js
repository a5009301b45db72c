"use strict";
var __awaiter = (this && this.__awaiter) || function (thisArg, _arguments, P, generator) {
    function adopt(value) { return value instanceof P ? value : new P(function (resolve) { resolve(value); }); }
    return new (P || (P = Promise))(function (resolve, reject) {
        function fulfilled(value) { try { step(generator.next(value)); } catch (e) { reject(e); } }
        function rejected(value) { try { step(generator["throw"](value)); } catch (e) { reject(e); } }
        function step(result) { result.done ? resolve(result.value) : adopt(result.value).then(fulfilled, rejected); }
        step((generator = generator.apply(thisArg, _arguments || [])).next());
    });
};
Object.defineProperty(exports, "__esModule", { value: true });
exports.HttpClient = void 0;
const ToxiproxyError_1 = require("./ToxiproxyError");
class HttpClient {
    get(url) {
        return __awaiter(this, void 0, void 0, function* () {
            return this.request("GET", url);
        });
    }
    post(url, body) {
        return __awaiter(this, void 0, void 0, function* () {
            return this.request("POST", url, body);
        });
    }
    delete(url) {
        return __awaiter(this, void 0, void 0, function* () {
            yield this.request("DELETE", url);
        });
    }
    getText(url) {
        return __awaiter(this, void 0, void 0, function* () {
            const res = yield this.doFetch(url, { method: "GET" });
            return res.text();
        });
    }
    request(method, url, body) {
        return __awaiter(this, void 0, void 0, function* () {
            const init = { method };
            if (body !== undefined) {
                init.body = JSON.stringify(body);
                init.headers = { "Content-Type": "application/json" };
            }
            const res = yield this.doFetch(url, init);
            const text = yield res.text();
            if (text.length === 0) {
                return { data: undefined };
            }
            try {
                return { data: JSON.parse(text) };
            }
            catch (e) {
                const err = e instanceof Error ? e : new Error(String(e));
                throw new ToxiproxyError_1.ToxiproxyError(err.name, err.message, err.stack);
            }
        });
    }
    doFetch(url, init) {
        return __awaiter(this, void 0, void 0, function* () {
            let res;
            try {
                res = yield fetch(url, init);
            }
            catch (e) {
                const err = e instanceof Error ? e : new Error(String(e));
                throw new ToxiproxyError_1.ToxiproxyError(err.name, err.message, err.stack);
            }
            if (!res.ok) {
                throw new ToxiproxyError_1.ToxiproxyError("Error", `Request failed with status code ${res.status}`);
            }
            return res;
        });
    }
}
exports.HttpClient = HttpClient;
