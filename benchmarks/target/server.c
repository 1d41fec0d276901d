/* The API that the benchmarks post to: one thread, epoll, no state but a counter.
 *
 *     server LATENCY_MS      prints its port on loopback, serves until its parent ends
 *
 * POST /billing/customers -> 201, {"id":"bcus_...", and the members of the request's object.
 * GET  /posts             -> 200, how many POSTs were answered, as text.
 * Anything else           -> 404. Answers wait LATENCY_MS (a timer, exact to far below 1 ms).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 65536, CONNECTIONS = 8192, EVENTS = 512, HEAD = 512 };

struct connection {
    int fd;
    uint32_t serial; /* tells a new connection from an old one on the same descriptor */
    size_t in, out, sent;
    int closing, watched;
    char *request, *answer;
};

struct due {
    int64_t at;
    int fd;
    uint32_t serial;
};

static struct connection connections[CONNECTIONS];
static struct due queue[CONNECTIONS * 16];
static const size_t queue_size = sizeof queue / sizeof *queue;
static size_t first_due, last_due;
static int64_t latency;
static int poller, timer;
static unsigned long posts;
static uint32_t serials;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void drop(struct connection *c)
{
    close(c->fd); /* epoll forgets a closed descriptor */
    c->fd = -1;
}

static void watch(struct connection *c, int writing)
{
    struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.fd = c->fd};
    if (writing != c->watched && !epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event))
        c->watched = writing;
}

static void flush(struct connection *c)
{
    while (c->sent < c->out) {
        ssize_t n = send(c->fd, c->answer + c->sent, c->out - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            watch(c, 1);
            return;
        }
        if (n < 0) {
            drop(c);
            return;
        }
        c->sent += (size_t)n;
    }
    c->out = c->sent = 0;
    if (c->closing)
        drop(c);
    else
        watch(c, 0);
}

static void say(struct connection *c, const char *status, const char *first, size_t first_size,
                const char *rest, size_t rest_size)
{
    if (c->out + HEAD + first_size + rest_size > ROOM) {
        drop(c); /* nobody pipelines this much without reading */
        return;
    }
    char *at = c->answer + c->out;
    at += sprintf(at, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
                  status, first_size + rest_size, c->closing ? "Connection: close\r\n" : "");
    memcpy(at, first, first_size);
    memcpy(at + first_size, rest, rest_size);
    c->out = (size_t)(at - c->answer) + first_size + rest_size;
}

/* Where a header's value begins within the head, or NULL. */
static const char *header(const char *head, const char *end, const char *name)
{
    size_t size = strlen(name);
    for (const char *line = head; (line = memchr(line, '\n', (size_t)(end - line))) != NULL;) {
        line++;
        if ((size_t)(end - line) > size && line[size] == ':' && !strncasecmp(line, name, size)) {
            for (line += size + 1; *line == ' ';)
                line++;
            return line;
        }
    }
    return NULL;
}

/* Answer the first whole request that has come; 0 if there is none. */
static size_t answer_one(struct connection *c)
{
    const char *end = memmem(c->request, c->in, "\r\n\r\n", 4);
    if (!end)
        return 0;
    const char *length = header(c->request, end, "content-length");
    const char *closing = header(c->request, end, "connection");
    size_t body_size = length ? strtoul(length, NULL, 10) : 0;
    size_t head_size = (size_t)(end - c->request) + 4;
    if (head_size + body_size > c->in)
        return 0;
    const char *body = c->request + head_size;
    char first[64];
    c->closing = closing && !strncasecmp(closing, "close", 5);
    if (!strncmp(c->request, "POST /billing/customers ", 24) && body_size > 2 && *body == '{') {
        int size = sprintf(first, "{\"id\":\"bcus_%012lx\",", ++posts);
        say(c, "201 Created", first, (size_t)size, body + 1, body_size - 1);
    } else if (!strncmp(c->request, "GET /posts ", 11)) {
        int size = sprintf(first, "%lu", posts);
        say(c, "200 OK", first, (size_t)size, "", 0);
    } else {
        say(c, "404 Not Found", "{\"status\":404}", 14, "", 0);
    }
    return head_size + body_size;
}

/* Answer every whole request that has come. */
static void answer_all(struct connection *c)
{
    size_t used;
    while (c->fd >= 0 && (used = answer_one(c)) > 0) {
        c->in -= used;
        memmove(c->request, c->request + used, c->in);
    }
    if (c->fd >= 0)
        flush(c);
}

static void set_timer(void)
{
    int64_t at = first_due == last_due ? 0 : queue[first_due].at;
    struct itimerspec t = {.it_value = {at / 1000000000LL, at % 1000000000LL}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static void later(struct connection *c)
{
    size_t next = (last_due + 1) % queue_size;
    if (next == first_due) {
        drop(c);
        return;
    }
    int idle = first_due == last_due;
    queue[last_due] = (struct due){now() + latency, c->fd, c->serial};
    last_due = next;
    if (idle)
        set_timer();
}

static void ring(void)
{
    uint64_t times;
    if (read(timer, &times, sizeof times) < 0)
        return;
    while (first_due != last_due && queue[first_due].at <= now()) {
        struct due due = queue[first_due];
        first_due = (first_due + 1) % queue_size;
        struct connection *c = &connections[due.fd];
        if (c->fd == due.fd && c->serial == due.serial)
            answer_all(c);
    }
    set_timer();
}

static void receive(struct connection *c)
{
    ssize_t n = recv(c->fd, c->request + c->in, ROOM - c->in, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || c->in + (size_t)n == ROOM) {
        drop(c);
        return;
    }
    c->in += (size_t)n;
    const char *end = memmem(c->request, c->in, "\r\n\r\n", 4);
    if (!latency)
        answer_all(c);
    else if (end) {
        const char *length = header(c->request, end, "content-length");
        size_t size = (size_t)(end - c->request) + 4 + (length ? strtoul(length, NULL, 10) : 0);
        if (c->in >= size && c->in - (size_t)n < size)
            later(c); /* once: when this part completed the request */
    }
}

static void greet(int listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= CONNECTIONS) {
            close(fd);
            continue;
        }
        struct connection *c = &connections[fd];
        if (!c->request && (!(c->request = malloc(ROOM)) || !(c->answer = malloc(ROOM))))
            exit(1);
        char *request = c->request, *answer = c->answer;
        *c = (struct connection){.fd = fd, .serial = ++serials, .request = request, .answer = answer};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int count, char **words)
{
    latency = count > 1 ? (int64_t)(atof(words[1]) * 1e6) : 0;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    for (size_t i = 0; i < CONNECTIONS; i++)
        connections[i].fd = -1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096)
        || getsockname(listener, (struct sockaddr *)&address, &size)) {
        perror("server");
        return 1;
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int watched[] = {listener, timer};
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = watched[i]};
        epoll_ctl(poller, EPOLL_CTL_ADD, watched[i], &event);
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            struct connection *c = &connections[fd];
            if (fd == listener)
                greet(listener);
            else if (fd == timer)
                ring();
            else if (c->fd == fd && events[i].events & EPOLLOUT)
                flush(c);
            else if (c->fd == fd)
                receive(c);
        }
    }
}
