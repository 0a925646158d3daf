import Foundation

/// How many processors this process may use: the least of those it is bound to, the quota of its control groups (a
/// container's or a batch job's limit) and what Slurm allotted to the task.
///
/// More threads than that gain nothing: bound ones share processors, and a quota stops all of them at once.
public struct AllottedProcessors: Equatable, Sendable {
    public let count: Int
    /// What set the number, in words.
    public let reason: String

    public static let current = AllottedProcessors(
        active: ProcessInfo.processInfo.activeProcessorCount, environment: ProcessInfo.processInfo.environment,
        read: { try? String(contentsOfFile: $0, encoding: .utf8) })

    /// - Parameters:
    ///   - active: processors of the machine that are on.
    ///   - read: the text of a file of `/proc` or `/sys`; nil where there is none.
    package init(active: Int, environment: [String: String], read: (String) -> String?) {
        var limits = [(max(1, active), "the machine")]
        if let bound = Self.bound(read) { limits.append((bound, "affinity")) }
        if let quota = Self.quota(read) { limits.append((max(1, Int(quota.rounded(.up))), "control group's quota")) }
        // Slurm sets the first only where it was asked for so many; else a batch job has what the second says.
        for name in ["SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"] {
            guard let allotted = environment[name].flatMap({ Int($0) }), allotted > 0 else { continue }
            limits.append((allotted, name))
            break
        }
        (count, reason) = limits.min { $0.0 < $1.0 }!
    }

    /// Processors that this process may run on: a mask in hexadecimal words with commas between.
    private static func bound(_ read: (String) -> String?) -> Int? {
        let line = (read("/proc/self/status") ?? "").split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") }
        let bits = line?.dropFirst("Cpus_allowed:".count).compactMap(\.hexDigitValue).reduce(0) {
            $0 + $1.nonzeroBitCount
        }
        return bits.flatMap { $0 > 0 ? $0 : nil }
    }

    /// The least quota of the control groups that this process is in, in processors; of version 2 `cpu.max`, of version
    /// 1 `cpu.cfs_quota_us`. Source: Linux kernel, admin-guide/cgroup-v2 and scheduler/sched-bwc.
    private static func quota(_ read: (String) -> String?) -> Double? {
        var least: Double?
        func limit(_ quota: Substring?, _ period: Substring?) {
            guard let quota = quota.flatMap({ Double($0) }), let period = period.flatMap({ Double($0) }), quota > 0,
                period > 0
            else { return }
            least = min(least ?? .infinity, quota / period)
        }
        for line in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let controllers = parts[1].split(separator: ",")
            var mounts: [String] = []
            if parts[1].isEmpty { mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] }
            if controllers.contains("cpu") { mounts = ["/sys/fs/cgroup/" + parts[1], "/sys/fs/cgroup/cpu"] }
            // A group is bound by those above it. In a container the path may be the host's, of which only the top is
            // seen here.
            var names = parts[2].split(separator: "/")
            while !mounts.isEmpty {
                for mount in mounts {
                    let folder = ([mount] + names.map(String.init)).joined(separator: "/")
                    if parts[1].isEmpty {
                        let words = (read(folder + "/cpu.max") ?? "").split(whereSeparator: \.isWhitespace)
                        if words.count == 2 { limit(words[0], words[1]) }
                    } else {
                        func number(_ name: String) -> Substring? {
                            read(folder + "/" + name)?.split(whereSeparator: \.isWhitespace).first
                        }
                        limit(number("cpu.cfs_quota_us"), number("cpu.cfs_period_us"))
                    }
                }
                if names.isEmpty { break }
                names.removeLast()
            }
        }
        return least
    }
}
