/* A program that tries to get out of its sandbox, one way per run: hostile WAY [ARGUMENT…].
 * It prints "stopped: why" or "succeeded: what" for each attempt; a few ways only report what they see. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int verdict(const char *what, int succeeded) {
    if (succeeded) printf("succeeded: %s\n", what);
    else printf("stopped: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    return 0;
}

static int network(char **argument) { /* port of a listener on the host's loopback, name of its abstract socket */
    struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(atoi(argument[0]))};
    inet_pton(AF_INET, "127.0.0.1", &host.sin_addr);
    verdict("connect to the host's loopback", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&host, sizeof host) == 0);
    inet_pton(AF_INET, "192.0.2.1", &host.sin_addr);
    verdict("connect to another machine", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&host, sizeof host) == 0);
    verdict("raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0);
    verdict("packet socket", socket(AF_PACKET, SOCK_RAW, htons(3)) >= 0);
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    strncpy(abstract.sun_path + 1, argument[1], sizeof abstract.sun_path - 2);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argument[1]);
    return verdict("abstract socket", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&abstract, length) == 0);
}

static int loopback(char **argument) { /* port of a listener on the host's loopback; nothing here goes to another machine */
    struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(atoi(argument[0]))};
    inet_pton(AF_INET, "127.0.0.1", &host.sin_addr);
    verdict("connect to the host's loopback", connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&host, sizeof host) == 0);
    verdict("raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0);
    return verdict("packet socket", socket(AF_PACKET, SOCK_RAW, htons(3)) >= 0);
}

static int write_files(char **argument) { /* paths */
    for (; *argument; argument++) verdict(*argument, open(*argument, O_WRONLY | O_CREAT, 0666) >= 0);
    return 0;
}

static int read_files(char **argument) { /* paths */
    for (; *argument; argument++) verdict(*argument, open(*argument, O_RDONLY) >= 0);
    return 0;
}

static int privileges(char **argument) { /* pid of the caller, on the host */
    verdict("setuid(0)", getuid() != 0 && syscall(SYS_setuid, 0) == 0);
    verdict("mount", mount("none", "/tmp", "tmpfs", 0, NULL) == 0);
    verdict("unmount", umount2("/tmp", MNT_DETACH) == 0);
    verdict("remount", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0);
    verdict("chroot", chroot("/tmp") == 0);
    verdict("mknod", mknod("/tmp/disk", S_IFBLK | 0666, makedev(8, 0)) == 0);
    verdict("sethostname", sethostname("x", 1) == 0);
    verdict("reboot", syscall(SYS_reboot, 0, 0, 0, 0) == 0);
    verdict("kernel module", syscall(SYS_init_module, "", 0, "") == 0);
    verdict("set the clock", clock_settime(CLOCK_REALTIME, &(struct timespec){1, 0}) == 0);
    verdict("ptrace the caller", ptrace(PTRACE_ATTACH, atoi(argument[0]), NULL, NULL) == 0);
    verdict("signal the caller", kill(atoi(argument[0]), 0) == 0);
    pid_t child = fork(); /* a new user name space would give capabilities, and with them a mount */
    if (child == 0) {
        int made = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
        verdict("new user name space", made);
        if (made) verdict("mount in a new name space", mount("none", "/tmp", "tmpfs", 0, NULL) == 0);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return verdict("join the first process's name spaces", setns(open("/proc/1/ns/mnt", O_RDONLY), 0) == 0);
}

static int calls(char **argument) { /* what computing does not need; without a filter most of these succeed for anybody */
    (void)argument;
    struct io_uring_params ring = {0};
    struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1};
    struct file_handle handle = {0};
    char here[8] = "", there[8], table[64];
    struct iovec from = {here, sizeof here}, to = {there, sizeof there};
    int mount_id;
    verdict("io_uring", syscall(SYS_io_uring_setup, 1, &ring) >= 0);
    verdict("io_uring_enter", syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0) >= 0);
    verdict("keyctl", syscall(SYS_keyctl, 0 /* id of */, -4 /* user's */, 1) >= 0);
    verdict("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -2) >= 0);
    verdict("request_key", syscall(SYS_request_key, "user", "x", NULL, 0) >= 0);
    verdict("userfaultfd", syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY) >= 0);
    verdict("perf_event_open", syscall(SYS_perf_event_open, &event, 0, -1, -1, 0) >= 0);
    verdict("bpf", syscall(SYS_bpf, 0, NULL, 0) >= 0);
    verdict("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    verdict("process_vm_readv", process_vm_readv(getpid(), &to, 1, &from, 1, 0) >= 0);
    verdict("kcmp", syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0) >= 0);
    verdict("modify_ldt", syscall(SYS_modify_ldt, 0, table, sizeof table) >= 0);
    verdict("name_to_handle_at", name_to_handle_at(AT_FDCWD, "/", &handle, &mount_id, 0) == 0 || errno == EOVERFLOW);
    verdict("open_by_handle_at", open_by_handle_at(AT_FDCWD, &handle, O_RDONLY) >= 0);
    verdict("memfd_secret", syscall(SYS_memfd_secret, 0) >= 0);
    verdict("syslog", syscall(SYS_syslog, 10 /* size */, NULL, 0) >= 0);
    verdict("fanotify_init", syscall(SYS_fanotify_init, 0x200 /* FAN_REPORT_FID */, O_RDONLY) >= 0);
    verdict("unshare files", unshare(CLONE_FILES) == 0); /* harmless, but unshare as a whole is refused */
    verdict("setns", setns(-1, 0) == 0);
    verdict("mount", mount("none", "/tmp", "tmpfs", 0, NULL) == 0);
    verdict("umount2", umount2("/tmp", MNT_DETACH) == 0);
    verdict("pivot_root", syscall(SYS_pivot_root, "/", "/") == 0);
    verdict("open_tree", syscall(428, AT_FDCWD, "/", 0) >= 0);
    verdict("fsopen", syscall(430, "tmpfs", 0) >= 0);
    verdict("mount_setattr", syscall(442, -1, "", 0, NULL, 0) == 0);
    verdict("quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL) == 0);
    verdict("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0) == 0);
    verdict("swapon", syscall(SYS_swapon, "/x", 0) == 0);
    verdict("acct", syscall(SYS_acct, NULL) == 0);
    for (int bit = 17; bit < 32; bit++) {
        if (!(0x7E020000 & 1 << bit)) continue; /* CLONE_NEW… */
        long child = syscall(SYS_clone, SIGCHLD | 1UL << bit, NULL, NULL, NULL, NULL);
        if (child == 0) _exit(0);
        verdict("clone into a new name space", child > 0);
    }
    for (unsigned long high = 0; high <= 1UL << 32; high += 1UL << 32) { /* the kernel reads 32 bits of the number */
        verdict("TIOCSTI", syscall(SYS_ioctl, -1, TIOCSTI | high, "x") == 0);
        verdict("TIOCLINUX", syscall(SYS_ioctl, -1, TIOCLINUX | high, "x") == 0);
    }
    return 0;
}

static int absent(char **argument) { /* calls that "do not exist", so that programs take older ones */
    (void)argument;
    struct clone_args clone = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long child = syscall(SYS_clone3, &clone, sizeof clone);
    if (child == 0) _exit(0);
    verdict("clone3", child > 0);
    verdict("openat2", syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0) >= 0);
    verdict("fchmodat2", syscall(452, AT_FDCWD, "/", 0, 0) >= 0);
    verdict("number 500", syscall(500) >= 0);
    return verdict("personality", personality(READ_IMPLIES_EXEC) >= 0);
}

static int needed(char **argument) { /* what programs do need */
    (void)argument;
    pid_t child = fork();
    if (child == 0) _exit(0);
    verdict("fork", child > 0);
    verdict("personality", personality(0xffffffff) >= 0);
    verdict("addresses that are not random", personality(ADDR_NO_RANDOMIZE) >= 0);
    return verdict("terminal size", ioctl(open("/dev/ptmx", O_RDWR), TIOCGWINSZ, (char[64]){0}) == 0);
}

static int families(char **argument) { /* the socket families that there are, in order */
    (void)argument;
    for (int family = 0; family < 64; family++)
        for (unsigned long high = 0; high <= 1UL << 32; high += 1UL << 32)
            for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++)
                if (syscall(SYS_socket, family | high, type, 0) >= 0) {
                    printf("%d%s\n", family, high ? " with more bits" : "");
                    break;
                }
    return 0;
}

static int foreign(char **argument) { /* "i386" or "x32": asks the kernel by other conventions than its own */
    if (strcmp(argument[0], "x32") == 0) return verdict("x32", syscall(0x40000000 | SYS_getpid) > 0);
    long answer = 20; /* getpid */
    __asm__ volatile("int $0x80" : "+a"(answer) : : "memory");
    return verdict("i386", answer > 0);
}

static int set_id(char **argument) { /* folder: makes files there that would run as their owner */
    if (chdir(argument[0]) != 0) return 1;
    int file = open("plain", O_WRONLY | O_CREAT, 0755);
    verdict("chmod", chmod("plain", 04755) == 0);
    verdict("fchmod", fchmod(file, 02755) == 0);
    verdict("fchmodat", fchmodat(AT_FDCWD, "plain", 06755, 0) == 0);
    verdict("open", open("a", O_WRONLY | O_CREAT, 04755) >= 0);
    verdict("openat", syscall(SYS_openat, AT_FDCWD, "b", O_WRONLY | O_CREAT, 02755) >= 0);
    verdict("O_TMPFILE", open(".", O_WRONLY | O_TMPFILE, 04755) >= 0);
    verdict("creat", creat("c", 04755) >= 0);
    verdict("mkdir", mkdir("d", 02755) == 0);
    return verdict("mknod", mknod("e", S_IFREG | 04755, 0) == 0);
}

static int keys(char **argument) { /* description of a key in the caller's session keyring */
    return verdict("session key", syscall(SYS_keyctl, 10 /* search */, -3 /* session */, "user", argument[0], 0) >= 0);
}

static int forks(char **argument) { /* processes to stop at; their number is printed */
    int limit = atoi(argument[0]), made = 0;
    for (; made < limit; made++) {
        pid_t child = fork();
        if (child < 0) break;
        if (child == 0) {
            pause();
            _exit(0);
        }
    }
    printf("%d\n", made);
    return 0;
}

static int opens(char **argument) { /* files to stop at; their number is printed */
    int limit = atoi(argument[0]), made = 0;
    while (made < limit && open("/", O_RDONLY) >= 0) made++;
    printf("%d\n", made);
    return 0;
}

static int eat(char **argument) { /* MiB, "private" or "shared", number of processes that eat as much each */
    size_t size = (size_t)atoi(argument[0]) << 20;
    int kind = strcmp(argument[1], "shared") == 0 ? MAP_SHARED : MAP_PRIVATE;
    for (int child = 0; child < atoi(argument[2]); child++) {
        if (fork() > 0) continue;
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) _exit(1);
        memset(memory, 1, size);
        sleep(1); /* all of them at once */
        _exit(0);
    }
    int status, failed = 0;
    while (wait(&status) > 0) failed += status != 0;
    printf("%d of %s failed\n", failed, argument[2]);
    fflush(stdout);
    return failed ? 1 : 0;
}

static int fill(char **argument) { /* path, MiB to stop at; the MiB written are printed */
    static char block[1 << 20];
    int file = open(argument[0], O_WRONLY | O_CREAT, 0666), written = 0;
    while (written < atoi(argument[1]) && write(file, block, sizeof block) == sizeof block) written++;
    printf("%d\n", written);
    return 0;
}

static _Noreturn int beat(void) { /* go on until killed */
    puts("done");
    fflush(stdout);
    for (;;) pause();
}

static int files(char **argument) { /* folder, number: makes empty files and goes on */
    if (chdir(argument[0]) != 0) return 1;
    char name[16];
    for (int number = 0; number < atoi(argument[1]); number++) {
        snprintf(name, sizeof name, "%d", number);
        close(open(name, O_WRONLY | O_CREAT, 0666));
    }
    return beat();
}

static int sparse(char **argument) { /* path, MiB: makes a file that is long and takes no room, and goes on */
    if (ftruncate(open(argument[0], O_WRONLY | O_CREAT, 0666), atol(argument[1]) << 20) != 0) return 1;
    return beat();
}

static int deep(char **argument) { /* folder, depth: makes folders within each other and goes on */
    if (chdir(argument[0]) != 0) return 1;
    for (int number = 0; number < atoi(argument[1]); number++)
        if (mkdir("d", 0777) != 0 || chdir("d") != 0) return 1;
    return beat();
}

static int clutter(char **argument) { /* folder, path on the host: what a reader may hang on or be led away by */
    if (chdir(argument[0]) != 0 || mkfifo("pipe", 0666) != 0 || mkdir("sub", 0777) != 0) return 1;
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
    if (bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&name, sizeof name) != 0) return 1;
    return symlink(argument[1], "away") || symlink("..", "sub/round") || symlink("loop", "loop") || symlink("/proc/self/root", "root");
}

static int swap(char **argument) { /* folder, path on the host: a folder that becomes a link to there, again and again */
    if (chdir(argument[0]) != 0 || symlink(argument[1], "link") != 0 || mkdir("folder", 0777) != 0) return 1;
    puts("ready");
    fflush(stdout);
    for (;;)
        if (syscall(SYS_renameat2, AT_FDCWD, "link", AT_FDCWD, "folder", 2 /* exchange */) != 0) return 1;
}

static int who(char **argument) {
    (void)argument;
    printf("%d %d\n", getuid(), getgid());
    return 0;
}

static int shout(char **argument) { /* bytes to standard output, bytes to standard error */
    static char line[1 << 16];
    memset(line, 'x', sizeof line);
    for (int out = 1; out <= 2; out++)
        for (long left = atol(argument[out - 1]); left > 0;) {
            ssize_t sent = write(out, line, left < (long)sizeof line ? (size_t)left : sizeof line);
            if (sent < 0) return 1;
            left -= sent;
        }
    return 0;
}

static int stubborn(char **argument) { /* file to touch again and again, even from a process that left its parent and session */
    for (int number = 1; number < 32; number++) signal(number, SIG_IGN);
    if (fork() == 0) {
        setsid();
        if (fork() > 0) _exit(0);
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        if (argument[0]) {
            int file = open(argument[0], O_WRONLY | O_CREAT | O_APPEND, 0666);
            if (write(file, ".", 1) < 0) return 1;
            close(file);
        }
        usleep(20000);
    }
}

static int terminal(char **argument) {
    (void)argument;
    verdict("type into the caller's terminal", ioctl(open("/dev/tty", O_RDWR), TIOCSTI, "x") == 0);
    for (int number = 0; number < 3; number++) verdict("type into a standard stream", ioctl(number, TIOCSTI, "x") == 0);
    return 0;
}

static int look(char **argument) { /* what a program sees of who and where it is */
    (void)argument;
    char name[256] = "";
    gethostname(name, sizeof name);
    mode_t mask = umask(0);
    time_t zero = 0;
    printf("umask %03o\nhostname %s\ncwd %s\nhour %d\n", mask, name, get_current_dir_name(), localtime(&zero)->tm_hour);
    for (int number = 0; number < 64; number++)
        if (fcntl(number, F_GETFD) >= 0) printf("fd %d\n", number);
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, status))
        if (!strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs", 10)) fputs(line, stdout);
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(processes));)
        if (atoi(entry->d_name) > 0) printf("process %s\n", entry->d_name);
    return 0;
}

static int environment(char **argument) {
    (void)argument;
    for (char **variable = environ; *variable; variable++) puts(*variable);
    return 0;
}

static int cat(char **argument) { /* standard input to standard output, or the files named */
    static char block[1 << 16];
    int paths = 0;
    do {
        int file = argument[paths] ? open(argument[paths], O_RDONLY) : 0;
        for (ssize_t size; (size = read(file, block, sizeof block)) > 0;)
            for (ssize_t sent = 0; sent < size;) {
                ssize_t part = write(1, block + sent, size - sent);
                if (part < 0) return 1;
                sent += part;
            }
    } while (argument[paths] && argument[++paths]);
    return 0;
}

static int leave(char **argument) { return atoi(argument[0]); }

static int suicide(char **argument) { return raise(atoi(argument[0])); }

int main(int count, char **argument) {
    static const struct {
        const char *name;
        int (*way)(char **);
    } ways[] = {{"network", network}, {"loopback", loopback}, {"write", write_files}, {"read", read_files}, {"privileges", privileges}, {"keys", keys}, {"calls", calls}, {"absent", absent}, {"needed", needed},
                {"families", families}, {"foreign", foreign}, {"set_id", set_id}, {"files", files}, {"sparse", sparse}, {"deep", deep},
                {"clutter", clutter}, {"swap", swap}, {"who", who},
                {"forks", forks}, {"opens", opens}, {"eat", eat}, {"fill", fill}, {"shout", shout}, {"stubborn", stubborn},
                {"terminal", terminal}, {"look", look}, {"environment", environment}, {"cat", cat}, {"exit", leave}, {"raise", suicide}};
    char host[256] = "";
    gethostname(host, sizeof host);
    if (strcmp(host, "exseos")) { /* some ways would do harm as root outside of a sandbox */
        fputs("hostile: runs only in a container\n", stderr);
        return 98;
    }
    for (size_t number = 0; count > 1 && number < sizeof ways / sizeof *ways; number++)
        if (strcmp(ways[number].name, argument[1]) == 0) return ways[number].way(argument + 2);
    return 99;
}
