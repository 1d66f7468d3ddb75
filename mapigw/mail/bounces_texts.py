"""What reports say, in the languages that there are."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class ReportKind(Enum):
    """The end of the message class of a report (MS-OXOMSG 2.2.2.3), and what is told."""

    FAILED = "NDR"
    DELIVERED = "DR"
    RELAYED = "Relayed.DR"
    DELAYED = "Delayed.DR"
    READ = "IPNRN"
    NOT_READ = "IPNNRN"


@dataclass(frozen=True, slots=True)
class Texts:
    """``statuses`` explains codes of RFC 3463; "" is what any other means."""

    sender: str
    prefixes: dict[ReportKind, str]
    openings: dict[ReportKind, str]
    subject: str
    sent: str
    diagnostic: str
    statuses: dict[str, str]

    def explanation(self, status: str) -> str:
        """A sentence for a status: its own, else that of its subject (``5.7.60``, ``5.7.1``, ``5.7``)."""
        while status and status not in self.statuses:
            status = status.rpartition(".")[0]
        return self.statuses[status]


ENGLISH: Final = Texts(
    "Mail Delivery System",
    {
        ReportKind.FAILED: "Undeliverable: ",
        ReportKind.DELIVERED: "Delivered: ",
        ReportKind.RELAYED: "Relayed: ",
        ReportKind.DELAYED: "Delivery delayed: ",
        ReportKind.READ: "Read: ",
        ReportKind.NOT_READ: "Not read: ",
    },
    {
        ReportKind.FAILED: "Your message could not be delivered to these recipients:",
        ReportKind.DELIVERED: "Your message has been delivered to these recipients:",
        ReportKind.RELAYED: "Your message has been handed to another mail server for these recipients, which may not "
        "tell of its delivery:",
        ReportKind.DELAYED: "Your message could not be delivered yet to these recipients. You need not send it again; "
        "delivery is still being tried:",
        ReportKind.READ: "Your message has been read by:",
        ReportKind.NOT_READ: "Your message was deleted without being read by:",
    },
    "Subject: ",
    "Sent: ",
    "Diagnostic information: ",
    {
        "": "The recipient's mail system did not accept the message.",
        "5.1": "The address was not found. Check it and send the message again.",
        "5.2.1": "The recipient's mailbox is disabled.",
        "5.2.2": "The recipient's mailbox is full.",
        "5.2.3": "The message is too large for the recipient.",
        "5.3.4": "The message is too large.",
        "5.4": "There is no way to the recipient's mail system.",
        "5.4.6": "The message went in a circle.",
        "5.6.7": "The mail system on the way cannot handle letters of the address.",
        "5.7": "The message was refused for reasons of security or policy.",
        "5.7.60": "You may not send in the name of this sender. The right “Send As” or “Send on Behalf” is missing.",
        "4": "The recipient's mail system does not answer, or does not accept the message at present.",
        "4.4.7": "Delivery was tried for too long without success.",
    },
)

GERMAN: Final = Texts(
    "Mailzustellung",
    {
        ReportKind.FAILED: "Unzustellbar: ",
        ReportKind.DELIVERED: "Zugestellt: ",
        ReportKind.RELAYED: "Weitergeleitet: ",
        ReportKind.DELAYED: "Zustellung verzögert: ",
        ReportKind.READ: "Gelesen: ",
        ReportKind.NOT_READ: "Nicht gelesen: ",
    },
    {
        ReportKind.FAILED: "Ihre Nachricht konnte diesen Empfängern nicht zugestellt werden:",
        ReportKind.DELIVERED: "Ihre Nachricht wurde diesen Empfängern zugestellt:",
        ReportKind.RELAYED: "Ihre Nachricht wurde für diese Empfänger an einen anderen Mailserver übergeben, der die "
        "Zustellung möglicherweise nicht bestätigt:",
        ReportKind.DELAYED: "Ihre Nachricht konnte diesen Empfängern noch nicht zugestellt werden. Sie brauchen sie "
        "nicht noch einmal zu senden; die Zustellung wird weiter versucht:",
        ReportKind.READ: "Ihre Nachricht wurde gelesen von:",
        ReportKind.NOT_READ: "Ihre Nachricht wurde ungelesen gelöscht von:",
    },
    "Betreff: ",
    "Gesendet: ",
    "Diagnoseinformationen: ",
    {
        "": "Das Mailsystem des Empfängers hat die Nachricht nicht angenommen.",
        "5.1": "Die Adresse wurde nicht gefunden. Prüfen Sie sie und senden Sie die Nachricht noch einmal.",
        "5.2.1": "Das Postfach des Empfängers ist deaktiviert.",
        "5.2.2": "Das Postfach des Empfängers ist voll.",
        "5.2.3": "Die Nachricht ist für den Empfänger zu groß.",
        "5.3.4": "Die Nachricht ist zu groß.",
        "5.4": "Es gibt keinen Weg zum Mailsystem des Empfängers.",
        "5.4.6": "Die Nachricht lief im Kreis.",
        "5.6.7": "Das Mailsystem auf dem Weg kann Buchstaben der Adresse nicht verarbeiten.",
        "5.7": "Die Nachricht wurde aus Gründen der Sicherheit oder der Richtlinien abgelehnt.",
        "5.7.60": "Sie dürfen nicht im Namen dieses Absenders senden. Es fehlt das Recht „Senden als“ oder „Senden im "
        "Auftrag von“.",
        "4": "Das Mailsystem des Empfängers antwortet nicht oder nimmt die Nachricht zurzeit nicht an.",
        "4.4.7": "Die Zustellung wurde zu lange ohne Erfolg versucht.",
    },
)

FRENCH: Final = Texts(
    "Remise du courrier",
    {
        ReportKind.FAILED: "Non remis : ",
        ReportKind.DELIVERED: "Remis : ",
        ReportKind.RELAYED: "Relayé : ",
        ReportKind.DELAYED: "Remise retardée : ",
        ReportKind.READ: "Lu : ",
        ReportKind.NOT_READ: "Non lu : ",
    },
    {
        ReportKind.FAILED: "Votre message n'a pas pu être remis à ces destinataires :",
        ReportKind.DELIVERED: "Votre message a été remis à ces destinataires :",
        ReportKind.RELAYED: "Votre message a été confié à un autre serveur de messagerie pour ces destinataires ; il "
        "se peut que celui-ci ne confirme pas la remise :",
        ReportKind.DELAYED: "Votre message n'a pas encore pu être remis à ces destinataires. Il est inutile de le "
        "renvoyer ; les tentatives de remise continuent :",
        ReportKind.READ: "Votre message a été lu par :",
        ReportKind.NOT_READ: "Votre message a été supprimé sans être lu par :",
    },
    "Objet : ",
    "Envoyé : ",
    "Informations de diagnostic : ",
    {
        "": "Le système de messagerie du destinataire n'a pas accepté le message.",
        "5.1": "L'adresse est introuvable. Vérifiez-la et renvoyez le message.",
        "5.2.1": "La boîte aux lettres du destinataire est désactivée.",
        "5.2.2": "La boîte aux lettres du destinataire est pleine.",
        "5.2.3": "Le message est trop volumineux pour le destinataire.",
        "5.3.4": "Le message est trop volumineux.",
        "5.4": "Il n'existe aucun chemin vers le système de messagerie du destinataire.",
        "5.4.6": "Le message tournait en boucle.",
        "5.6.7": "Un système de messagerie intermédiaire ne sait pas traiter certaines lettres de l'adresse.",
        "5.7": "Le message a été refusé pour des raisons de sécurité ou de stratégie.",
        "5.7.60": "Vous ne pouvez pas envoyer au nom de cet expéditeur. Il manque le droit « Envoyer en tant que » ou "
        "« Envoyer de la part de ».",
        "4": "Le système de messagerie du destinataire ne répond pas, ou n'accepte pas le message pour le moment.",
        "4.4.7": "La remise a été tentée trop longtemps sans succès.",
    },
)

_BY_LANGUAGE: Final = {0x07: GERMAN, 0x0C: FRENCH}
_PRIMARY_LANGUAGE: Final = 0x3FF  # of an LCID (MS-LCID 2.1)


def texts_for(locale: int) -> Texts:
    """The texts for an LCID; English where there are none."""
    return _BY_LANGUAGE.get(locale & _PRIMARY_LANGUAGE, ENGLISH)
