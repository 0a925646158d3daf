import Foundation
import Testing

@testable import Parallel

struct AllottedProcessorsTests {
    private func count(_ files: [String: String], active: Int = 64, environment: [String: String] = [:]) -> Int {
        AllottedProcessors(active: active, environment: environment, read: { files[$0] }).count
    }

    @Test func theLeastLimitCounts() {
        #expect(count([:]) == 64)
        #expect(count([:], environment: ["SLURM_CPUS_PER_TASK": "8"]) == 8)
        #expect(count([:], environment: ["SLURM_CPUS_ON_NODE": "3"]) == 3)
        #expect(count([:], environment: ["SLURM_CPUS_PER_TASK": "8", "SLURM_CPUS_ON_NODE": "16"]) == 8)
        #expect(count([:], active: 4, environment: ["SLURM_CPUS_PER_TASK": "8"]) == 4)
        for nonsense in ["", "0", "-2", "x"] {
            #expect(count([:], environment: ["SLURM_CPUS_PER_TASK": nonsense]) == 64)
        }
        #expect(count([:], active: 0) == 1)
        #expect(count(["/proc/self/status": "Name:\tx\nCpus_allowed:\tf0,00000003\nCpus_allowed_list:\t0-1\n"]) == 6)
        #expect(count(["/proc/self/status": "Cpus_allowed:\t0\n"]) == 64)
    }

    @Test func version2() {
        let group = ["/proc/self/cgroup": "0::/system.slice/job.scope\n"]
        func with(_ files: [String: String]) -> Int { count(group.merging(files) { $1 }) }
        #expect(with(["/sys/fs/cgroup/system.slice/job.scope/cpu.max": "max 100000\n"]) == 64)
        #expect(with(["/sys/fs/cgroup/system.slice/job.scope/cpu.max": "150000 100000\n"]) == 2)
        #expect(with(["/sys/fs/cgroup/system.slice/job.scope/cpu.max": "50000 100000\n"]) == 1)
        // The group above has less; and in a container only the top is seen.
        #expect(
            with([
                "/sys/fs/cgroup/system.slice/job.scope/cpu.max": "max 100000\n",
                "/sys/fs/cgroup/system.slice/cpu.max": "300000 100000\n",
            ]) == 3)
        #expect(with(["/sys/fs/cgroup/cpu.max": "400000 100000\n"]) == 4)
        #expect(with(["/sys/fs/cgroup/cpu.max": "junk\n"]) == 64)
    }

    @Test func version1() {
        let group = ["/proc/self/cgroup": "12:memory:/a\n4:cpu,cpuacct:/slurm/job_7\n1:name=systemd:/x\n0::/\n"]
        func with(_ folder: String, _ quota: String) -> Int {
            count(
                group.merging([folder + "/cpu.cfs_quota_us": quota + "\n", folder + "/cpu.cfs_period_us": "100000\n"]) {
                    $1
                })
        }
        #expect(with("/sys/fs/cgroup/cpu,cpuacct/slurm/job_7", "600000") == 6)
        #expect(with("/sys/fs/cgroup/cpu/slurm/job_7", "500000") == 5)
        #expect(with("/sys/fs/cgroup/cpu,cpuacct", "200000") == 2)
        #expect(with("/sys/fs/cgroup/cpu,cpuacct/slurm/job_7", "-1") == 64)
        #expect(with("/sys/fs/cgroup/memory/a", "100000") == 64)
    }

    @Test func thisProcessIsBoundAsTasksetSays() throws {
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/nproc")
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/nproc") else { return }
        process.environment = [:]
        process.standardOutput = pipe
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let bound = try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(AllottedProcessors.current.count <= bound)
    }
}
