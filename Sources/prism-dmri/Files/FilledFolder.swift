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
    let cause: any Error, out: String, again: Again
    var exitStatus: ExitStatus { .io }
    var description: String {
        """
        \(Failure.describe(cause).message); what is finished of the posterior is kept in \(out): make room there and \
        give \(again.words)
        """
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

/// How a fit that broke off is taken up again.
enum Again {
    case resume, resumeInsteadOfForce
    /// By a command that finds out itself what is left to do.
    case sameCommand

    var words: String {
        switch self {
        case .resume: "the same command with --resume to go on"
        case .resumeInsteadOfForce: "the same command with --resume instead of --force to go on"
        case .sameCommand: "the same command again"
        }
    }
}

/// A fit stopped by the user.
struct Interrupted: CommandFailure {
    let out: String, keepsWork: Bool, again: Again
    var exitStatus: ExitStatus { .interrupted }
    var description: String {
        keepsWork
            ? "Stopped; what is finished is kept in \(out). Give \(again.words)."
            : "Stopped before anything was finished; nothing was written."
    }
}
