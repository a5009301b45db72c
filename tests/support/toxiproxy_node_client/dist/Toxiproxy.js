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
exports.ToxiproxyError = void 0;
const Proxy_1 = require("./Proxy");
const HttpClient_1 = require("./HttpClient");
const ToxiproxyError_1 = require("./ToxiproxyError");
Object.defineProperty(exports, "ToxiproxyError", { enumerable: true, get: function () { return ToxiproxyError_1.ToxiproxyError; } });
class Toxiproxy {
    constructor(host) {
        this.api = new HttpClient_1.HttpClient();
        this.host = host;
    }
    getApi() {
        return this.api;
    }
    createProxy(body) {
        return __awaiter(this, void 0, void 0, function* () {
            const result = yield this.api.post(`${this.host}/proxies`, body);
            return new Proxy_1.default(this, result.data);
        });
    }
    populate(body) {
        return __awaiter(this, void 0, void 0, function* () {
            const res = yield this.api.post(`${this.host}/populate`, body);
            const proxies = {};
            for (const proxyResponse of res.data.proxies) {
                proxies[proxyResponse.name] = new Proxy_1.default(this, proxyResponse);
            }
            return proxies;
        });
    }
    get(name) {
        return __awaiter(this, void 0, void 0, function* () {
            const result = yield this.api.get(`${this.host}/proxies/${name}`);
            return new Proxy_1.default(this, result.data);
        });
    }
    getVersion() {
        return __awaiter(this, void 0, void 0, function* () {
            return yield this.api.getText(`${this.host}/version`);
        });
    }
    reset() {
        return __awaiter(this, void 0, void 0, function* () {
            yield this.api.post(`${this.host}/reset`);
        });
    }
    getAll() {
        return __awaiter(this, void 0, void 0, function* () {
            const responses = yield this.api.get(`${this.host}/proxies`);
            const proxies = {};
            for (const name in responses.data) {
                proxies[name] = new Proxy_1.default(this, responses.data[name]);
            }
            return proxies;
        });
    }
}
exports.default = Toxiproxy;
