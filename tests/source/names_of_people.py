"""First names, last names and cities as customers have them, by language, and how they are stored.

Written down for the tests of encodings.
"""

# ruff: noqa: E501, ISC004, RUF001

from __future__ import annotations

NAMES: dict[str, tuple[str, str]] = {
    "French": (
        "windows-1252 iso-8859-1 iso-8859-15 macroman cp850",
        "Hélène Lefèvre François Côté Zoé Benoît Gaëlle Stéphane Cécile Béatrice Jérémy Mélissa"
        " Françoise Bérénice Lemaître Guérin Leclère Bédard Fréchette Gagné Légaré Pélissier"
        " Desprès Orléans Besançon Nîmes Béziers Sète Évry Angoulême Saint-Étienne Châteauroux",
    ),
    "German": (
        "windows-1252 iso-8859-1 macroman cp850",
        "Müller Jürgen Schröder Günther Köhler Krämer Größmann Weiß Strauß Böttcher Jäger Käthe"
        " Jörg Björn Schäfer Schütze Vögel Lösch Hörmann Prüfer München Köln Düsseldorf Nürnberg"
        " Lübeck Göttingen Fürth Wülfrath Zürich Österreich Ülkü Ärzte",
    ),
    "Spanish": (
        "windows-1252 iso-8859-1 macroman cp850",
        "José María Muñoz García Ibáñez Pérez Gutiérrez Sebastián Ramírez Peñalver Íñigo Ángela"
        " Óscar Núñez Begoña Cañete Tomás Verónica Sofía Martín Acuña Bermúdez Málaga Cádiz León"
        " Córdoba Logroño Bogotá Medellín Cancún Querétaro",
    ),
    "Portuguese": (
        "windows-1252 iso-8859-1 macroman cp850",
        "João Gonçalves Conceição Simões Antônio Mônica Magalhães Araújo Brandão Luís Inês Sônia"
        " Fátima Gonçalo Lourenço Leitão Guimarães Valadão Falcão Mourão Évora Setúbal Brasília"
        " Goiânia Maceió Belém Paraná Florianópolis Camões Conceição Graça Estêvão",
    ),
    "Italian": (
        "windows-1252 iso-8859-1",
        "Nicolò Forlì Cantù Niccolò Mariù Totò Giosuè Noè Salò Cefalù Viganò Nardò Canicattì"
        " Carrù Alà Mosè Cirò Agrò",
    ),
    "Afrikaans and Dutch": (
        "windows-1252 iso-8859-1 macroman cp850",
        "Zoë Daniël Niël André Renée Müller Krüger Joël Michaël Gabriël Chloë Daniëlle Mariëtte"
        " Désirée Böhmer Schröder België Raphaël Anaïs Noëlle Israël Loïs",
    ),
    "Danish and Norwegian": (
        "windows-1252 iso-8859-1 macroman cp850",
        "Søren Jørgensen Bjørn Åse Kjær Nørgaard Håkon Øystein Møller Sørensen Bøgh Skjærbæk Pål"
        " Århus Tromsø Bodø Ålesund Køge Næstved Helsingør Gjøvik Ærø Bærum Lillestrøm Åge Solbjørg",
    ),
    "Swedish and Finnish": (
        "windows-1252 iso-8859-1 macroman cp850",
        "Åsa Björk Göran Märta Sjöberg Lindström Åkesson Hägglund Öberg Malmö Göteborg Västerås"
        " Örebro Linköping Mäkinen Hämäläinen Väinö Järvinen Jyväskylä Seinäjoki Pöysti Räikkönen"
        " Häkkinen Törni Sjögren Nyström Örjan Pär",
    ),
    "Icelandic": (
        "windows-1252 iso-8859-1",
        "Þórður Guðrún Sigurðsson Björk Ásgeir Ægir Óðinn Kristín Jónsdóttir Reykjavík Kópavogur"
        " Hafnarfjörður Ísafjörður Höfn Sigríður Ólafur Þórunn Steinþór",
    ),
    "Czech and Slovak": (
        "windows-1250 iso-8859-2 cp852",
        "Jiří Novák Dvořák Němec Černý Kučera Růžička Šimůnek Václav Lukáš Tomáš Zdeněk Kateřina"
        " Žaneta Božena Řehoř Pospíšil Fiala Krejčí Veselý Ľubomír Ďurica Škoda Ťažký Horňák"
        " Brno-Líšeň Plzeň Olomoucký Ústí Třebíč Jindřichův Košice-Šaca Žilina-Závodie Prešov-Ľubotice"
        " Špindlerův Mělník Přerov Šťastný Kovář Šárka Věra",
    ),
    "Polish": (
        "windows-1250 iso-8859-2 cp852",
        "Łukasz Wójcik Wiśniewski Małgorzata Kamiński Zieliński Dąbrowska Kozłowski Jabłoński"
        " Woźniak Pawłowski Jędrzej Żaneta Świątek Gołąb Grażyna Stanisław Michał Ślązak Łódź"
        " Kraków Gdańsk Poznań Wrocław Częstochowa Toruń Rzeszów Bełchatów Zając Kaźmierczak",
    ),
    "Hungarian": (
        "windows-1250 iso-8859-2 cp852",
        "Szabó Kovács László Gábor István Tóth Jenő Győző Erzsébet Fűrész Őri Vörös Németh Horváth"
        " Molnár Balázs Zoltánné Széchenyi Győr Pécs Székesfehérvár Kecskemét Nyíregyháza Hódmező"
        " Érd Gödöllő Üllő Gyöngyösi Szűcs Török",
    ),
    "Romanian": (
        "windows-1250 iso-8859-2",
        "Ştefan Ioniţă Brătianu Ţepeş Crăciun Dănuţ Mihăilescu Bălan Niţu Sânziana Ghiţă Vasâlcă"
        " Bucureşti Iaşi Timişoara Braşov Piteşti Constanţa Ploieşti Galaţi Târgovişte Mureş",
    ),
    "Croatian and Slovene": (
        "windows-1250 iso-8859-2 cp852",
        "Kovačević Đorđe Božić Šimić Anđela Perković Jurić Žarko Marić Knežević Radić Nikolić"
        " Vuković Čović Živković Blažević Novačan Krajšek Žnidaršič Čeh Mlinarić Šibenik Poreč"
        " Karlovac-Rečica Čakovec Kočevje Škofja Žalec",
    ),
    "Albanian": (
        "windows-1252 iso-8859-1 windows-1250",
        "Gëzim Mirëlinda Çelaj Hoxhë Përparim Shpëtim Fatmirë Vlorë Durrës Tiranë Korçë Shkodër"
        " Gjirokastër Ëngjëll",
    ),
    "Turkish": (
        "windows-1254 iso-8859-9 cp857",
        "Yılmaz Çelik Şahin Öztürk Yıldız Aydın Doğan Kılıç Çetin Koç Şimşek Güneş Erdoğan Işık"
        " İbrahim İsmail Ömer Özlem Ümit Şule Çağla Gökhan Gülşen Ayşe Uğur Barış Tuğçe Nazlı"
        " Kadıoğlu İstanbul İzmir Eskişehir Muğla Çanakkale Balıkesir Ağrı Iğdır Şırnak Kırşehir"
        " Niğde Uşak Gümüşhane Bağcılar",
    ),
    "Lithuanian": (
        "windows-1257 iso-8859-13 cp775",
        "Eglė Kazlauskienė Petrauskaitė Jankauskienė Žukauskas Butkevičius Šimkutė Jūratė Rūta"
        " Gintarė Aušra Birutė Giedrė Kęstutis Gražina Šarūnas Žygimantas Povilaitytė Mačiulis"
        " Rimkė Šiauliai Panevėžys Utėna Mažeikiai Kėdainiai Biržai Šilutė Rokiškis Vaičiūnas",
    ),
    "Latvian": (
        "windows-1257 iso-8859-13 cp775",
        "Bērziņš Kalniņš Ozoliņš Jānis Pēteris Kristīne Līga Māris Mārtiņš Jēkabs Elīna Zālītis"
        " Ģirts Ķēniņš Šķēle Ļevs Rīga Jūrmala Rēzekne Liepāja Cēsis Kuldīga Ķekava Vītols Krūmiņa"
        " Pļaviņa Sproģis Ūdris Āboliņš",
    ),
    "Estonian": (
        "windows-1257 iso-8859-13 iso-8859-15",
        "Jüri Mägi Tõnu Pärn Õunapuu Kõiv Rätsep Ülle Märt Jõgi Põder Lõhmus Tänak Rüütel Pärnu"
        " Põlva Võru Jõhvi Kärdla Ööbik Õie Šmidt Žukov",
    ),
    "Vietnamese": (
        "windows-1258",
        "Nguyễn Trần Phạm Hoàng Đặng Bùi Đỗ Hồ Dương Đào Vũ Thị Hữu Đức Ngọc Thảo Hương Tuấn Dũng"
        " Cường Phương Hải Hạnh Lộc Tiến Thắng Hà Nội Đà Nẵng Cần Thơ Huế Vũng Tàu Biên Hòa Mỹ",
    ),
    "Russian": (
        "windows-1251 koi8-r cp866 iso-8859-5",
        "Иванов Смирнова Кузнецов Попова Васильев Петров Соколов Михайлов Новикова Фёдоров Морозов"
        " Волков Алексей Екатерина Дмитрий Наталья Сергей Ольга Юрий Щербаков Цветаева Эльвира"
        " Москва Новосибирск Екатеринбург Казань Челябинск Уфа Пермь Воронеж",
    ),
    "Ukrainian": (
        "windows-1251 koi8-u",
        "Шевченко Ковальчук Бондаренко Олександр Наталія Сергій Юлія Тетяна Андрій Київ Львів"
        " Харків Дніпро Запоріжжя Вінниця Єлизавета Їжакевич Ґалаґан Кравчук Олійник Лисенко"
        " Марія Софія Ігор Вікторія Чернігів",
    ),
    "Bulgarian": (
        "windows-1251",
        "Георгиев Димитров Иванова Петър Христо Стоянов Тодорова Ангелов Николай Йордан Кръстев"
        " Цветанова Божидар Българанов София Пловдив Варна Бургас Русе Плевен Сливен Щерев",
    ),
    "Greek": (
        "windows-1253 iso-8859-7 cp737",
        "Παπαδόπουλος Γιώργος Μαρία Ιωάννης Δημήτρης Κωνσταντίνος Ελένη Νικόλαος Αθανασίου"
        " Οικονόμου Βασιλείου Χριστοδούλου Αθήνα Θεσσαλονίκη Πάτρα Ηράκλειο Λάρισα Βόλος Ρόδος"
        " Ξάνθη Ψαρρά Ζωή Ευαγγελία Μακρής",
    ),
    "Hebrew": (
        "windows-1255 iso-8859-8",
        "כהן לוי מזרחי פרץ ביטון דהן אברהם פרידמן שפירא יוסף משה שרה רחל דוד יעקב חיים נועה תמר"
        " ירושלים חיפה אשדוד נתניה חולון רחובות אילת טבריה",
    ),
    "Arabic": (
        "windows-1256 iso-8859-6",
        "محمد أحمد علي حسن حسين عبدالله فاطمة خالد إبراهيم يوسف مريم عمر الشمري القحطاني العتيبي"
        " السعيد الرياض جدة مكة دمشق القاهرة بغداد الدوحة عمان صنعاء طرابلس",
    ),
    "Persian": (
        "windows-1256",
        "محمدی حسینی احمدی رضایی کریمی مرادی جعفری پارسا گلستانی چراغی ژاله تهران مشهد اصفهان"
        " شیراز تبریز کرج قم اهواز",
    ),
    "Thai": (
        "cp874",
        "สมชาย สมหญิง ประเสริฐ วิชัย สุภาพร นภา กมล ศรีสุข ทองดี จันทร์ แก้วมณี กรุงเทพ เชียงใหม่"
        " ขอนแก่น ภูเก็ต นครราชสีมา",
    ),
    "Japanese": (
        "cp932 euc-jp",
        "田中太郎 佐藤花子 鈴木一郎 高橋健太 伊藤美咲 渡辺翔太 山本陽子 中村大輔 小林直樹 加藤さくら"
        " 吉田愛 山田孝 佐々木誠 松本由美 井上恵 木村拓也 林真理子 清水ひろし 斎藤明 東京都 大阪市"
        " 横浜市 名古屋市 札幌市 福岡市 京都市 スズキ タナカ 株式会社アオキ",
    ),
    "Korean": (
        "cp949 euc-kr",
        "김민수 이영희 박지훈 최수진 정우성 강동원 조현우 윤서연 장미란 임재범 한지민 오세훈 서지영"
        " 신동엽 권혁수 황정민 안성기 송혜교 류현진 홍길동 서울특별시 부산광역시 대구 인천 광주 대전",
    ),
    "Chinese": (
        "gb18030 gbk gb2312",
        "王小明 李华 张伟 刘洋 陈静 杨丽 赵敏 黄磊 周杰 吴芳 徐强 孙丽娟 马超 朱婷 胡军 郭涛 何雨"
        " 高峰 林志玲 罗丹 北京市 上海市 广州市 深圳市 成都市 杭州市 武汉市 西安市 重庆 南京",
    ),
    "Chinese, traditional": (
        "big5",
        "陳志明 林美玲 黃俊傑 張雅婷 李淑芬 王建國 吳佩珊 劉德華 蔡依林 楊宗緯 許瑋甯 鄭家豪 謝欣怡"
        " 郭雪芙 洪金寶 邱淑貞 曾國城 廖偉 賴冠霖 徐若瑄 臺北市 新北市 臺中市 高雄市 臺南市 桃園市",
    ),
}  # fmt: skip
"""Language -> the encodings in which files hold it, and the names."""
