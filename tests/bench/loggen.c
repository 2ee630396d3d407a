/* Sends endpoint events of 950 bytes as fast as a receiver takes them, or at a rate, and says how long it took.
 *
 *   loggen tcp HOST PORT COUNT          until the receiver has read all and closed its side
 *   loggen udp HOST PORT COUNT RATE     RATE datagrams a second; 0: as fast as the kernel takes them
 *
 * One event in 100 goes to a mail port, the others to 443: what a rule on mail sees of a day. Prints seconds. */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, ROOM = 1200, EVENT = 950 };

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Event `i` with its line end, EVENT bytes. */
static size_t event(char *out, unsigned long i)
{
    char when[32];
    time_t now = time(NULL);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", gmtime(&now));
    int n = snprintf(
        out, ROOM,
        "{\"time\":\"%s.469315Z\",\"tenantId\":\"00000000-0000-0000-0000-000000000001\",\"category\":\"AdvancedHunting-"
        "DeviceNetworkEvents\",\"operationName\":\"Publish\",\"properties\":{\"Timestamp\":\"%s.469315Z\",\"DeviceId\":"
        "\"19c66f64ad91ff130e7d2359ae18713cee3639f2\",\"DeviceName\":\"ws%03lu.lab.example\",\"ActionType\":\"ConnectionSuccess\","
        "\"Protocol\":\"Tcp\",\"LocalIP\":\"10.20.%lu.%lu\",\"LocalIPType\":\"Private\",\"LocalPort\":%lu,\"RemoteIP\":\"203.0.113.%lu\","
        "\"RemoteIPType\":\"Public\",\"RemotePort\":%d,\"RemoteUrl\":\"\",\"InitiatingProcessFileName\":\"invoice_scan.exe\","
        "\"InitiatingProcessFolderPath\":\"C:\\\\Users\\\\lab\\\\AppData\\\\Local\\\\Temp\\\\invoice_scan.exe\","
        "\"InitiatingProcessParentFileName\":\"explorer.exe\",\"InitiatingProcessSHA1\":\"a8cc70e27bbaaea6e95f9dc3276c3aba08280431\","
        "\"InitiatingProcessId\":4001,\"InitiatingProcessAccountName\":\"lab1\",\"InitiatingProcessAccountDomain\":\"lab\","
        "\"AdditionalFields\":\"",
        when, when, i % 1000, i / 250 % 250, i % 250, 30000 + i % 20000, i % 200, i % 100 ? 443 : 587);
    while (n < EVENT - 4)
        out[n++] = 'x';
    memcpy(out + n, "\"}}\n", 4);
    return (size_t)n + 4;
}

static int tcp(int fd, unsigned long count)
{
    static char buf[256 * ROOM];
    for (unsigned long i = 0; i < count;) {
        size_t n = 0;
        for (int k = 0; k < 256 && i < count; k++)
            n += event(buf + n, i++);
        for (size_t at = 0; at < n;) {
            ssize_t w = write(fd, buf + at, n - at);
            if (w <= 0)
                return perror("write"), 1;
            at += (size_t)w;
        }
    }
    shutdown(fd, SHUT_WR);
    while (read(fd, buf, sizeof buf) > 0)
        ;
    return 0;
}

static int udp(int fd, unsigned long count, double rate)
{
    static char buf[BATCH][ROOM];
    struct iovec iov[BATCH];
    struct mmsghdr msgs[BATCH] = {0};
    double start = seconds();
    for (unsigned long i = 0; i < count;) {
        unsigned k = 0;
        for (; k < BATCH && i < count; k++, i++) {
            iov[k] = (struct iovec){buf[k], event(buf[k], i)};
            msgs[k].msg_hdr = (struct msghdr){.msg_iov = &iov[k], .msg_iovlen = 1};
        }
        for (unsigned at = 0; at < k;) {
            int n = sendmmsg(fd, msgs + at, k - at, 0);
            if (n < 0)
                return perror("sendmmsg"), 1;
            at += (unsigned)n;
        }
        while (rate > 0 && seconds() - start < (double)i / rate)
            ;
    }
    return 0;
}

int main(int argc, char **argv)
{
    bool is_udp = argc == 6 && strcmp(argv[1], "udp") == 0;
    if (!is_udp && (argc != 5 || strcmp(argv[1], "tcp") != 0))
        return fprintf(stderr, "loggen tcp HOST PORT COUNT | udp HOST PORT COUNT RATE\n"), 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[3]))};
    int fd = socket(AF_INET, is_udp ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (inet_pton(AF_INET, argv[2], &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        return perror(argv[2]), 1;
    unsigned long count = strtoul(argv[4], NULL, 10);
    double start = seconds();
    int rc = is_udp ? udp(fd, count, strtod(argv[5], NULL)) : tcp(fd, count);
    printf("%.4f\n", seconds() - start);
    return rc;
}
