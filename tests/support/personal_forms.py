"""Personal data in the forms in which people write it, and other text that looks like it; all invented.

`python -m tests.support.personal_forms` prints how many forms of each kind stay in the clear, for docs/privacy.md.
"""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import filterfalse, product
from string import ascii_uppercase

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from stdnum import iban, luhn, numdb

from feedback.masking import mask_personal_data

# What is personal in a form stands between ⟦ and ⟧, or else is all of it.
NUMBERS = """\
06 12 34 56 78|06.12.34.56.78|0612345678|+33612345678|+33 6 12 34 56 78|0033 6 12 34 56 78|00 33 6 12 34 56 78
+33(0)612345678|(+33) 6 12 34 56 78|+33 (0) 1 23 45 67 89|(0)1 23 45 67 89|06/12/34/56/78|06 12 345 678|06,12,34,56,78
06, 12, 34, 56, 78|06 ; 12 ; 34 ; 56 ; 78|06~12~34~56~78|06=12=34=56=78|06\\12\\34\\56\\78|06'12'34'56'78
06’12’34’56’78|06•12•34•56•78|06…12…34…56…78|06:12:34:56:78|06_12_34_56_78|06+12+34+56+78
06*12*34*56*78|06 -- 12 -- 34 -- 56 -- 78|06 (12) 34 (56) 78|[06] [12] [34] [56] [78]|{06}{12}{34}{56}{78}
06✈12✈34✈56|06     12     34     56|06&nbsp;12&nbsp;34&nbsp;56&nbsp;78|&#48;&#54;&#49;&#50;&#51;&#52;&#53;
&#48&#54&#49&#50&#51&#52&#53|0⃣6⃣1⃣2⃣3⃣4⃣5⃣|0️⃣6️⃣ 1️⃣2️⃣ 3️⃣4️⃣ 5️⃣6️⃣|⓪①②③④⑤⑥⑦|❶❷❸❹❺❻❼❽|⁰⁶¹²³⁴⁵⁶⁷⁸
tel:⟦+33612345678⟧|sms:⟦+33612345678⟧|Tel.: ⟦06 12 34 56 78 (poste 123⟧)|⟦06 12 34 56 78 poste 12⟧|call⟦0612345678⟧
+1 (202) 555-0123 ext. 4|+1-202-555-0123x123|(202) 555-0123|202.555.0123|1 202 555 0123|020 7946 0958
+44 (0)20 7946 0958|0 6 1 2 3 4 5 6 7 8|0123 / 456 / 789|1 234 567|1.2.3.4.5.6.7|01,234,567|1,234,567,8|2,025,550,123
4,111,111,111,111,111|x0123456789x|057-2345678901|057 2345678901|0572345678901|on 29/11/2026 ⟦06-12-34-56-78⟧
49-015420-323751-8|06\u316412 34\u115f56 78|00:1B:44:11:3A:B7|12345678ABC|0612345678abc|client ⟦1234567⟧ EUR 50
ref ⟦1234567⟧ $50|0612345678 €|12:34 ⟦5678901⟧|29/11/2026 ⟦0612345⟧|EU ⟦261/2004 06 12 34 56 78⟧
flight ⟦06 12 34 56 78⟧"""
IDENTITIES = """\
AB1234567|ab1234567|12AB34567|12ab34567|A12345678|X1234567L|x-1234567-l|12345678Z|C01X00T47|1 85 05 78 006 084 36
185057800608436|1 85 05 2A 004 084 36|1-85-05-2B-004-084-36|185052A00408436|QQ 12 34 56 C|qq123456c|RSSMRA85T10A562S
RSS MRA 85T10 A562S|rssmra85t10a562s|ABCDE1234F|756.9217.0769.85|111.444.777-35|811228-9874|131052-308T
passport ⟦AB 123456⟧|passport no. ⟦C1234567⟧|passeport n° ⟦12AB345⟧|Reisepass ⟦C01X00T4⟧|ID card number ⟦123456⟧
AB-12-34-56-C|AB/12/34/56/C|AB.12.34.56.C|65 180585 M 002|65 180585M002|65-180585-M-002|65180585M002
Personalausweis ⟦123456⟧|AB 123456|AB-123456|AB–123456|AB.123456|AB/123456|passport ⟦123456AB⟧|id ⟦123456AB⟧
ID ⟦A/12345⟧|RIB ⟦30006 00001 1234567890A 89⟧
30006 00001 12345678901 89|30006-00001-1234567890A-89"""
BOOKINGS = """\
booking ⟦X7K2PQ⟧|booking ⟦x7k2pq⟧|booking ⟦ABCDEF⟧|booking reference: ⟦X7K2PQ⟧|Booking ref. ⟦x7k2pq⟧|PNR ⟦x7k2pq⟧
PNR: ⟦qwerty⟧|pnr ⟦ABCDEF⟧|PNR ⟦ABCDEF⟧|PNR=⟦QWERTY⟧|PNR is ⟦QWERTY⟧|réservation ⟦X7K2PQ⟧|réservation n° ⟦X7K2PQ⟧
Réservation numéro ⟦123456⟧|référence ⟦QWERTZ⟧|réf : ⟦X7K2PQ⟧|dossier ⟦12345⟧|dossier n°⟦12345⟧
dossier numéro ⟦X7K2PQ⟧|ma résa ⟦X7K2PQ⟧|my booking number is ⟦X7K2PQ⟧|booking code is ⟦KLMNOP⟧|confirmation ⟦X7K2PQ⟧
confirmation number ⟦123456⟧|record locator ⟦X7K2PQ⟧|locator: ⟦QWERTY⟧|ticket no ⟦123456⟧|billet n° ⟦123456⟧
Buchungscode ⟦X7K2PQ⟧|Buchungsnummer: ⟦X7K2PQ⟧|localizador ⟦X7K2PQ⟧|prenotazione ⟦X7K2PQ⟧|booking (⟦X7K2PQ⟧)
booking #⟦X7K2PQ⟧|booking "⟦X7K2PQ⟧"|booking ⟦X7K-2PQ⟧|booking ⟦123-456⟧|booking ⟦12 34 56⟧|BOOKING ⟦X7K2PQ⟧
claim number ⟦12345⟧|order ⟦12345-67⟧|account ⟦1234567⟧|⟦X7K2PQ⟧ was my booking|account ⟦2019 2020⟧
Buchungs-Nr. ⟦123456⟧|Buchungs-Code ⟦X7K2PQ⟧|Kundennr. ⟦123456⟧|Kunden-Nr.: ⟦123456⟧|Kundennummer ⟦AB12345⟧
Kunden-ID ⟦12345⟧|Rechnung Nr. ⟦12345⟧|Rechnungsnummer ⟦12345⟧|Reservierungsnummer ⟦X7K2PQ⟧|Reservierung ⟦X7K2PQ⟧
Vorgangsnummer ⟦12345⟧|Auftragsnummer ⟦12345⟧|Vertragsnummer ⟦12345⟧|Bestellnummer ⟦12345⟧|Ticketnummer ⟦12345⟧
Mitgliedsnummer ⟦12345⟧|Versicherungsnummer ⟦12345⟧|numéro de sinistre ⟦12345⟧|sinistre n° ⟦AB12345⟧
n° adhérent ⟦12345⟧|numéro d'adhérent ⟦12345⟧|n° de client ⟦12345⟧|numéro d'abonné ⟦12345⟧|numéro de police ⟦12345⟧
matricule ⟦12345⟧|bon d'achat ⟦AB12345⟧|número de reserva ⟦12345⟧|número de cliente ⟦12345⟧|numero cliente ⟦12345⟧
codice prenotazione ⟦X7K2PQ⟧|policy number ⟦12345⟧|policy ⟦AB12345⟧|loyalty number ⟦12345⟧|voucher ⟦AB12345⟧
voucher code ⟦X7K2PQ⟧|frequent flyer number ⟦123456⟧|Miles & More ⟦123456⟧|complaint number ⟦12345⟧|incident ⟦12345⟧
file number ⟦12345⟧|employee number ⟦12345⟧|my number: ⟦12345⟧|Nr. ⟦12345⟧|reference number ⟦AB-12345⟧
dossier ⟦AB-12345⟧|passport ⟦AB 12345 67890⟧|client ⟦1A234 567 890⟧|booking ⟦x7k22 1234567⟧|order ⟦12345-67-X⟧
PNR ⟦X7K 2PQ⟧|pnr ⟦x7k 2pq⟧|booking ref ⟦ABC 123⟧|PNR: ⟦A B C 1 2 3⟧|PNR: ⟦A-B-C-1-2-3⟧|PNR: ⟦A B C D E F⟧
booking ⟦ABC DEF⟧|booking ⟦X7K–2PQ⟧|booking ⟦X7K.2PQ⟧|booking ⟦X7K_2PQ⟧|PNR ⟦1234AB⟧|passport ⟦C 01X 00T 47⟧
bookings ⟦ABC123⟧ and ⟦DEF456⟧|tickets ⟦12345⟧, ⟦12346⟧ and ⟦12347⟧|order ⟦12345⟧ and ⟦67890⟧|orders ⟦12345⟧ & ⟦67890⟧
dossiers ⟦12345⟧ et ⟦67890⟧|résas ⟦ABC123⟧ et ⟦12345⟧|booking refs ⟦ABC123⟧/⟦DEF456⟧|reservas ⟦12345⟧ y ⟦67890⟧
prenotazioni ⟦ABC123⟧ e ⟦DEF456⟧|Buchungen ⟦12345⟧ und ⟦67890⟧|bookings ⟦12345⟧, ⟦ABC123⟧, ⟦67890⟧ and ⟦DEF456⟧
bookings ⟦ABCDEF⟧ and ⟦GHIJKL⟧|passports ⟦AB12345⟧ and ⟦CD67890⟧|claims ⟦AB 12345⟧ and ⟦CD 67890⟧
orders ⟦1234567⟧ and ⟦12345⟧
vouchers ⟦AB1234⟧ or ⟦CD1234⟧|bookings: ⟦ABC123⟧ + ⟦DEF456⟧|conf code: ⟦X7K2PQ⟧ / ⟦QWERTY⟧
tickets ⟦12345⟧,⟦12346⟧,⟦12347⟧
numéros de dossier : ⟦12345⟧ ; ⟦67890⟧|my booking references are ⟦ABC123⟧ and ⟦DEF456⟧|clients n° ⟦12345⟧, ⟦12346⟧
PNRs ⟦ABC123⟧|user_id=⟦12345⟧|userid ⟦12345⟧|acct ⟦123456⟧|customerId: ⟦12345⟧|orderNo=⟦12345⟧|booking_ref: ⟦ABC123⟧
client number: ⟦12345abc⟧|order ⟦12345678ABC⟧|order ⟦12345-AB⟧|number ⟦12345AB⟧|client number: ⟦12–345⟧
client number: ⟦12.345⟧
client number: ⟦12/345⟧|client number: ⟦1 2 3 4 5⟧|client number: ⟦A/12345⟧|client number: ⟦A.12345⟧
client: ⟦ABCD-12345⟧|client: ⟦ABCDEF-12345⟧
client ⟦1-2-3-4-5⟧|client ⟦12 – 345⟧|client ⟦12=345⟧|client ⟦12:345⟧|client ⟦12_345⟧|order ⟦2026-12345⟧
file ⟦2026-AB123⟧
invoice ⟦INV-2026-00123⟧|client — « ⟦12345⟧ »|passport ⟦12AB 34567⟧"""
EMAILS = """\
bob@localhost|bob@example|bob@[192.0.2.1]|bob@[IPv6:2001:db8::1]|bob@192.0.2.1|"bob smith"@example.org
mailto:⟦bob@example.org⟧|<bob@example.org>|(bob@example.org)|bob@example.org?subject=bob|bob@exämple.org
bob@xn--exmple-cua.org|bob@例え.jp
боб@пример.рф|bob@a.b.c.d.e.f.example.org|bob＠example．org|bob﹫example.org|bob&commat;example.org|bob&#x40;example.org
bob&#64example.org|bob&amp;#64;example.org|bob%40example.org|bob@example。org|ｂｏｂ@example.org|b̶o̶b̶@example.org
bob@ example.org|bob @example.org|bob @ example.org|bob@@example.org|bob\\@example.org|bob@smith@example.org
bob@example.org,smith@example.org|bob@example.org;smith@example.org|x=bob&y=bob@example.org|bob (at) example (dot) org
bob[at]example[dot]org|bob {at} example {dot} org|bob at example dot org|bob AT example DOT org|bob (at) example.org
bob dot smith at example dot org|bob arobase example point fr|bob(at)example.org|bob@example[.]org
bob arobase example.fr|bob arroba example.es|bob chiocciola example.it|bob ät example.de|bob klammeraffe example.de
bob (a) example.org|bob [a] example dot org|bob{a}example.org|bob <at> example.org|bob<at>example.org
bob &lt;at&gt; example.org|bob <at> example <dot> org|bob.smith at example.org|BOB.SMITH AT EXAMPLE.ORG
o´brien@example.org|o‘brien@example.org|o′brien@example.org|o‛brien@example.org|oʼbrien@example.org|o`brien@example.org
o΄brien@example.org|d´o´b@example.org|bob arobas gmail.com|bob (arobas) gmail.com|bob arobaz example.fr
bob (arrobas) example.pt|bob apenstaartje example.nl|bob_smith at example.org|bob12 at example.org|bob%2540example.org
bob%252540example.org"""
LINKS = """\
http://example.org|https://example.org/bob?x=1#y|HTTP://EXAMPLE.ORG|hxxp://example.org|hxxps://example[.]org/bob
example[.]org|http://bob:smith@example.org/x|bob:smith@example.org/x|https://example.org:8443/bob|example.org:8443
example.org:8443/bob|example.org|Example.Org|EXAMPLE.ORG|example.org/bob|example.org?bob=1|example.org#bob|bob.example
www.example.org|www2.example.org|//example.org/bob|ftp://example.org|sftp://bob@example.org|http//example.org/bob
https:example.org|http:/example.org|http:\\\\example.org\\bob|whatsapp://send?phone=33612345678|skype:bob|t.me/bob
wa.me/33612345678|bob.github.io|a.b.c.d.e.f.org/bob|example.co.uk|example.anything/bob|localhost:7071/bob
intranet:8080/bob|192.0.2.1|192.0.2.1:8080|192.0.2.1/bob|http://[2001:db8::1]/bob|2001:db8::1|[2001:db8::1]:8080/bob
fe80::1%eth0|2001:0db8:0000:0000:0000:0000:0000:0001|xn--exmple-cua.org/bob|exämple.de|例え.jp|例え.jp/bob|пример.рф
http://例え.テスト/bob|example。org|example．org/bob|exam\u200bple.org|http&#58;//example.org|www。example。org
a_b.example.org/bob|(example.org/bob)|...example.org"""
MENTIONS = """\
@bob|@Bob_Smith|@bob.smith|@bob-smith|@bob‐smith|@bob·smith|@bob..smith|@bob/smith|@_bob|@-bob|@.bob|@@bob
@'bob'|@"bob"|@o'bob|⟦@bob⟧'s|(@bob)|"@bob"|@ bob|＠bob|＠ bob|﹫bob|@\u200bbob|&#64;bob|&#64bob|%40bob|@боб|@सचिन|@ボブ
x⟦@bob⟧|@bob:example.org|@bob@example.social|u/bob|/u/bob|U/bob|@o´brien|@o′brien|@bob,@smith|/u/bob/u/smith"""

KEPT = """\
flight AF1234 at 10:30, gate 12, 2 hours late|paid 1,000,000 in 2009|on 2026-11-29 at 10:30|2026-11-29 10:30:00
29/11/2026|11/29/2026|29.11.2026|29-11-2026|29/11/2026 10:30|2026-11-29T10:30:00Z|10:30-12:45|10:30 - 12:45
10:30–12:45|10:30/12:45|at 10:30, 11:15 and 12:45|at 10:30, 11:15, 12:45|10:30:00 12:45:30|meet @10:30|24/7
24/24 7/7|3-0|won 3-0, 2-1|6-4, 3-6, 7-5, 6-2|100%|12.5% - 13.75%|30-40%|€12.50 - €14.75|12.50-14.75|$1,299.99
1 250 000 €|€1,250,000.00|1.250.000,00 EUR|1'250'000 CHF|5 000 000 euros|2019-2020|2019–2020|2019, 2020, 2021
2019/2020|in 2009, 2010 and 2011|#AF2026|#Paris2024|A320|A320NEO|A321XLR|B737MAX8|B737MAX10|B777-300ER|A350-900
747-400|2h30|10h30-12h45|seat 12A|terminal 2E|row 12, 14, 16|AF1234/AF5678|AF 1234|U21234|EZY1234
AF1234 29/11/2026 10:30|covid19|v1.2.3|50/50|9/11|and/or|he/she|e.g. this|i.e. that|a.m. and p.m.|U.S.A.
ok...thanks|So rude.It was late|late.Never again|10.30am|1-2-3|123456|100000km|email me|look at this
booking online|my booking was cancelled|BOOKING ONLINE|reservation please|the dossier is closed|ticket price 250
booking on 2026-11-29|booking at 10:30|booking 2 seats|booking for 2026|code shares|C++ std::vector|http error
ratio 16:9|1:1|H1N1|MP3|4K|Boeing 737-800|12 000 passengers|1,500 people|-40°C to 25°C|2 x 23 kg|6'2"|ID card
visa 2026|4.5/5|room 101|I love it :-) <3|😀 12 😀 34|lost 2 bags, 3 h late, 500 € gone|J.R.R. X
A350-1000|an A350-1000 and a B777-300ER|EU261/2004|EC261/2004|UE261/2004|EU 261/2004|Regulation (EC) No 261/2004
règlement (CE) n° 261/2004|règlement (UE) 2016/679|GDPR 2016/679|21-19 18-21 21-15|21-19, 18-21, 21-15|10/10 10/10
5/5 5/5 4/5 3/5|10/10, 9/10, 8/10|invoice 12500 EUR|invoice of 12500 euros|facture 12500 €|invoice EUR 12500
ticket 12 500 €|promo code SUMMER24|code promo SUMMER24|discount code SUMMER24
flight number AF1234|numéro de vol 1234|2026-11-29T10:30:00+01:00|10:30:00Z 11:15:00Z|29. 11. 2026
29/11/2026-30/11/2026
29-30/11/2026|29.–30.11.2026|29/11-02/12/2026|2026-11-29/2026-11-30|[29/11/2026]|«29/11/2026»|29/11/2026?
10:30? 11:15? 12:45?
10:30! 11:15!|"10:30" "11:15"|“10:30” “11:15”|[10:30] [11:15]|10:30→11:15|10:30 → 11:15|10:30 • 11:15
12.99, 13.99, 14.99
12.50; 13.50; 14.50|12,99 / 13,99 / 14,99|₹12,34,567|1200000 €|€1200000|12000,50€|1250000 euros|8.5/10 9.5/10
7.5/10, 8/10, 9.5/10|6-4, 6-7 (5), 7-5|7-6(5), 6-4|737-800 737-900|777-300 787-9 747-400|flights 2490, 2491
flights 2490, 2491 and 2492|vols 2490/2491|flights BA 2490 2491 2492|flight number 2490 2491|the dress code: casual
dress code - casual|code: please|reservation: please|reference: london|confirmation: thanks|booking (please help)
my booking - please help|code: no luggage, no food|case covid-19|booking mid-2026|booking MAY 2026|booking: 2 seats
booking for 2 on 29/11/2026|booking on 29. 11. 2026|booking 10:30 or 11:30|reservation: 10h30|ticket 125.50
order 12,345
ticket 2nd hand|tickets 12, 14, 16|order 2x 23kg|order 25000 miles|ticket 12500EUR|tickets 12345.67 EUR|users (~150MM)
card 10/10|id card please|the file: report|policy: 2 bags of 23kg|no 2 seats|my ticket cost 250|order only 100 items
contract of 2026|order: 1 coffee, 2 teas|order 150MM|case 1st 2nd 3rd
Nov 29, 2026 10:30|20:15-21:45-22:30|15/20 16/20|15.5/20, 16/20"""


@cache
def forms_of(kind: str) -> list[str]:
    """Return all forms of a kind of KINDS or of NOT_MASKED."""
    return list((KINDS | NOT_MASKED)[kind]())


def stays(form: str) -> bool:
    """Return whether a letter or a digit of what is personal in `form` is still there when it is masked."""
    context = re.sub("(?s)⟦.*?⟧", "", form) if "⟦" in form else ""
    masked = mask_personal_data(form.replace("⟦", "").replace("⟧", ""))
    return not _letters(context).endswith(_letters(masked))


def forms_that_stay(forms: list[str]) -> list[str]:
    return [form for form in forms if stays(form)]


def table() -> Iterator[str]:
    """Yield the lines of the table in docs/privacy.md."""
    yield "| | forms | in the clear |"
    yield "|---|---|---|"
    for kind in (*KINDS, *NOT_MASKED):
        yield f"| {kind} | {len(forms_of(kind)):,} | {len(forms_that_stay(forms_of(kind))):,} |"


def kept_texts() -> list[str]:
    return [*_split(KEPT), "10:30|11:15", "10:30 | 11:15 | 12:45"]


def _split(forms: str) -> list[str]:
    return re.split(r"[|\n]", forms)


def _letters(text: str) -> str:
    return re.sub(r"<[a-z]+>|[\W_]", "", text)


def _french_numbers() -> Iterator[str]:
    """Yield numbers in French notation, with every dash of Unicode and other separators, with and without spaces."""
    dashes = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) == "Pd"]
    spaces = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) == "Zs"]
    notations = ("06 12 34 56 78", "+33 6 12 34 56 78", "0033 6 12 34 56 78", "+33 (0)6 12 34 56 78")
    separators = [*dashes, *"−·.,/:;_~+*|•‧・", *spaces, "\t", "\n"]
    for notation, separator, around in product(notations, separators, ("{}", " {} ", "{} ", "{}{}")):
        yield notation.replace(" ", around.format(separator, separator))


def _digits_of_every_script() -> Iterator[str]:
    zeros = [c for c in map(chr, range(0x110000)) if unicodedata.decimal(c, None) == 0]
    for zero, number in product(zeros, ("0612345678", "06 12 34 56 78", "06-12-34-56-78")):
        yield re.sub(r"\d", lambda digit, zero=zero: chr(ord(zero) + int(digit[0])), number)


def _numbers_of_every_country() -> Iterator[str]:
    """Yield libphonenumber's examples, in its four formats."""
    kinds = [PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE]
    for region, kind in product(sorted(phonenumbers.SUPPORTED_REGIONS), kinds):
        if (number := phonenumbers.example_number_for_type(region, kind)) is not None:
            for notation in (PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.E164):
                yield phonenumbers.format_number(number, notation)
            yield "tel:⟦{}⟧".format(phonenumbers.format_number(number, PhoneNumberFormat.RFC3966).removeprefix("tel:"))


def _is_long(number: str) -> bool:
    return sum(character.isdecimal() for character in number) >= 7


def _ibans() -> Iterator[str]:
    """Yield an account of every country that has IBANs, in the spellings that people use."""
    for country in map("".join, product(ascii_uppercase, repeat=2)):
        _, properties = numdb.get("iban").info(country)[0]
        if "bban" not in properties:
            continue
        account = "".join(
            {"n": "1234567890" * 3, "a": "BOBSMITHBOBS", "c": "1A2B3C4D5E" * 3}[kind][: int(length)]
            for length, kind in re.findall(r"(\d+)!([nac])", properties["bban"])
        )
        number = country + iban.calc_check_digits(f"{country}00{account}") + account
        spaced = re.sub("(.{4})(?=.)", r"\1 ", number)
        yield from (number, number.lower(), spaced, spaced.lower(), spaced.replace(" ", "-"), spaced.replace(" ", "  "))
        yield f"IBAN: ⟦{spaced}⟧"
        yield f"{number[:2]} {number[2:4]} {spaced[5:]}"
        yield from (spaced.replace(" ", separator) for separator in ("–", "/", ":", ", ", " • ", "_"))
        yield spaced.replace(" ", "–")[:-1] + ("2" if number[-1] == "1" else "1")  # mistyped


def _cards() -> Iterator[str]:
    """Yield a number of each network, with the usual separators."""
    for start in (
        "411111111111111",
        "4484216898769",
        "550000000000000",
        "37828224631000",
        "305693090259",
        "62000000000000000",
    ):
        digits = start + luhn.calc_check_digit(start)
        spaced = re.sub("(.{4})(?=.)", r"\1 ", digits)
        yield digits
        yield f"{digits[:-2]} {digits[-2:]}"
        for separator in ("-", " ", "   ", "\t", ".", " - ", "–", "\u00a0", "/", ","):
            yield spaced.replace(" ", separator)


def _announced_numbers() -> Iterator[str]:
    """Yield numbers of telephones, cards and papers after words that announce a code, which is shorter."""
    words = "client|customer number|carte|credit card|membership card|ID|ticket number|passport|dossier n°|my code is"
    numbers = """\
06 12 34 56 78|06-12-34-56-78|06.12.34.56.78|+33 6 12 34 56 78|0612345678|061 23/45 67 89|020 7946 0958|(202) 555-0123
4111 1111 1111 1111|4111-1111-1111-1111|220 2401 234567|12 345 678 901|12 34 567890|123 456 7890|12345 678 90"""
    for word, number in product(_split(words), _split(numbers)):
        yield f"{word} ⟦{number}⟧"


def _signs_between() -> Iterator[str]:
    """Yield codes with every dash, quotation mark and other sign after the word that announces them."""
    signs = [c for c in map(chr, range(0x3000)) if unicodedata.category(c) in ("Pd", "Pi", "Pf") or c in "([{"]
    announced = ("numéro de client", "12345"), ("passport", "123456AB"), ("PNR", "X7K2PQ"), ("dossier", "AB 12345")
    for sign, (word, code) in product([*signs, *"!\"#$%&'*+,./:;<=>?\\^_`|~→⇒…•·►", "->", "=>"], announced):
        yield from (f"{word}{sign}⟦{code}⟧", f"{word} {sign} ⟦{code}⟧")


def _addresses() -> Iterator[str]:
    names = ("bob", "bob.smith", "bob+x", "o'bob", "o’bob", "bob_smith", "bob!smith", "bob/smith", "b%ob", "é" * 70)
    hosts = ("example.org", "EXAMPLE.ORG", "mail.example.co.uk", "x" * 70 + ".org", "例え.jp", "xn--exmple-cua.org")
    for name, at, host in product(names, ("@", "＠", "&#64;", "%40", "\u200b@\u200b"), hosts):
        yield f"{name}{at}{host}"


KINDS: dict[str, Callable[[], Iterable[str]]] = {
    "telephone and other long numbers": lambda: (*_split(NUMBERS), *_french_numbers(), *_digits_of_every_script()),
    "telephone numbers of every country": lambda: filter(_is_long, _numbers_of_every_country()),
    "bank accounts (IBAN)": _ibans,
    "payment cards": _cards,
    "identity papers": lambda: _split(IDENTITIES),
    "bookings and other references": lambda: (*_split(BOOKINGS), *_announced_numbers(), *_signs_between()),
    "e-mail addresses": lambda: (*_split(EMAILS), *_addresses()),
    "links": lambda: _split(LINKS),
    "names of accounts": lambda: _split(MENTIONS),
}
# What is known to stay: a pattern cannot tell it from other words and figures.
NOT_MASKED: dict[str, Callable[[], Iterable[str]]] = {
    "names of people, of accounts without @, hashtags": lambda: _split("Bob Smith|bobsmith|#BobSmith|bob_smith"),
    "street addresses and postcodes": lambda: _split("12 Main Street|12 rue de la Paix|75002 Paris|SW1A 1AA"),
    "dates of birth, number plates, seats": lambda: _split("born 29/11/1990|1990-11-29|AB-123-CD|seat 12A"),
    "numbers in words": lambda: _split("zero six one two three four five|zéro six douze trente-quatre"),
    "telephone numbers of six digits and fewer": lambda: filterfalse(_is_long, _numbers_of_every_country()),
    "hosts without a dot, addresses in other words": lambda: _split(
        "intranet/bob|bob chez example org|bob at gmail|bob at example.org"
    ),
    "codes that nothing announces": lambda: _split("ABCDEF|x7k2pq|my code was, I think, ABCDEF"),
    "codes that look like words, amounts, dates or flights": lambda: _split(
        "booking ⟦abc 123⟧|code: ⟦qwerty⟧|client ⟦12,345⟧|client ⟦12.50⟧|id ⟦29/11/2026⟧|card ⟦1234⟧|ids 12345, ⟦AB123⟧"
    ),
}


def main() -> None:
    if "--list" in sys.argv:
        for kind in KINDS:
            for form in forms_that_stay(forms_of(kind)):
                print(f"{kind}: {form!r} -> {mask_personal_data(form)!r}")
    print("\n".join(table()))


if __name__ == "__main__":
    main()
