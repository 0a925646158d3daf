import Foundation
import Reporting

extension OutputFolder {
    /// Lets `body` fill the folder given to it, whose files then take their place together; after an error or a signal
    /// nothing of them is left.
    func fill(_ body: (_ place: String) throws -> Void) throws {
        Interrupt.whenStopped(say: { [name] in "Stopped; \(name) was not written" }, cleanUp: { self.abandon() })
        defer { Interrupt.whenStopped(say: { "Stopped" }) }
        do {
            try begin()
            try body(staging)
            try finish()
        } catch {
            abandon()
            throw named(error)
        }
    }

    /// An error that tells of files by the names that they were to have.
    func named(_ error: any Error) -> any Error {
        let (message, status) = Failure.describe(error)
        guard message.contains(staging) else { return error }
        return NamedFailure(description: message.replacingOccurrences(of: staging, with: name), exitStatus: status)
    }
}

struct NamedFailure: CommandFailure {
    let description: String
    let exitStatus: ExitStatus
}

/// A fit that failed for want of room and can go on.
struct WorkKept: CommandFailure {
    let cause: any Error, out: String, wasForced: Bool
    var exitStatus: ExitStatus { .io }
    var description: String {
        """
        \(Failure.describe(cause).message); what is finished of the posterior is kept in \(out): make room there and \
        give the same command with --resume
        """
            + (wasForced ? " instead of --force" : "") + " to go on"
    }
}

/// A finished fit whose draws are gone, which no run can take up again.
struct NothingToResume: CommandFailure {
    let out: String, kept: KeptPosterior
    var exitStatus: ExitStatus { .cannotCreate }
    var description: String {
        "\(out) holds a finished fit that was told to keep \(kept == .none ? "no posterior" : "no draws"), so there is "
            + "nothing to go on from; choose another name, or fit anew with --force"
    }
}

/// A fit stopped by the user.
struct Interrupted: CommandFailure {
    let out: String, keepsWork: Bool, wasForced: Bool
    var exitStatus: ExitStatus { .interrupted }
    var description: String {
        keepsWork
            ? """
            Stopped; what is finished is kept in \(out). Give the same command with \
            --resume\(wasForced ? " instead of --force" : "") to go on.
            """
            : "Stopped before anything was finished; nothing was written."
    }
}
