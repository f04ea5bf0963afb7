/* An endpoint of quic-interop-runner: what the environment asks for, done by the stack. */
#include "contract.h"
#include "endpoint.h"
#include "requests.h"

#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    static struct task task;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        print_version();
        return EXIT_SUCCESS;
    }
    int code = contract_read(&task);
    if (code)
        return code;
    if (!task.server && !requests_parse(&task))
        return EXIT_FAILURE;
    struct endpoint *endpoint = endpoint_open(&task);
    bool good = endpoint && (task.server ? endpoint_serve(endpoint)
                                         : requests_download(endpoint, &task));
    if (endpoint)
        endpoint_close(endpoint);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
