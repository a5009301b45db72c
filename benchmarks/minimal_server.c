#define _GNU_SOURCE
/* The least an HTTP server can do: one epoll loop, one prepared answer a request.
 * Usage: minimal_server PORT. Requests are counted by their blank lines; bodies are not expected. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char answer[2048];
static size_t answer_len;

static void prepare(void) {
    char body[1024];
    size_t n = (size_t)snprintf(body, sizeof body, "{\"parity_ok\": true, \"items\": [");
    while (n < 990) n += (size_t)snprintf(body + n, sizeof body - n, "%s12345678", n > 31 ? "," : "");
    n += (size_t)snprintf(body + n, sizeof body - n, "]}");
    answer_len = (size_t)snprintf(answer, sizeof answer,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", n, body);
}

static void serve(int fd) {
    char request[65536];
    ssize_t got = recv(fd, request, sizeof request, MSG_DONTWAIT);
    if (got <= 0) { close(fd); return; }
    for (char *at = request; (at = memmem(at, (size_t)(request + got - at), "\r\n\r\n", 4)); at += 4)
        if (send(fd, answer, answer_len, MSG_NOSIGNAL) < 0) { close(fd); return; }
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    prepare();
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&place, sizeof place) || listen(listener, 4096)) return 1;
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != listener) { serve(events[i].data.fd); continue; }
            int fd;
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event.data.fd = fd;
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
            }
        }
    }
}
